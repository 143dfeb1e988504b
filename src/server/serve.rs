//! Starting and stopping a queue manager, or a coordinator alone.
//!
//! Start: directory (lock, identity) -> log (recovery) -> store -> core thread -> replica (replays what the store lacks) ->
//! leadership (a new epoch) -> listen. Stop: no new connections -> open requests answered or closed -> store flushed ->
//! replica and log shut down -> core thread ends.

use std::net::{self, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{JoinHandle, available_parallelism};

use bytes::Bytes;
use handfast_client::{Handfast, RequestError};
use handfast_coordinator::drivers::{Drivers, Secrets};
use handfast_crash_points::{CrashPoint, reach};
use handfast_log::disk::{DiskError, RealDisk};
use handfast_log::{Log, LogOptions, LogWriter, OpenError as LogOpenError};
use handfast_machine::{Fatal, Node, Sizes};
use handfast_queue::manager;
use handfast_replica::{Replica, ReplicaConfig, StartError, StopReason};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tonic::transport::server::TcpIncoming;

use super::accounts::Accounts;
use super::calls::{Call, carry_calls};
use super::core_thread::{self, Core, Effects, Input};
use super::data_directory::{DataDirectory, DirectoryError};
use super::flush::{FlushFailed, flush, flush_when_due};
use super::http::routes;
use super::limits::{
    BARRIERS_MAX, CALLS_UNDER_WAY_MAX, CORE_ENDED_WITHIN, EPOCH_LOOK, PROPOSALS_MAX, REQUESTED_KIB_MAX,
    SHARED_CORE_PROCESSORS_MAX, STOP_GRACE,
};
use super::proposer::{Applied, Machine, follow_leadership, pass_barriers, propose};
use super::role::Role;
use super::session::{OwnProcess, SessionIdentity, Sessions};
use super::space::watch_space;
use super::unary::{Resources, Service};
use crate::store::{Flusher, OpenError as StoreOpenError, RocksStore};

#[derive(Debug, Clone)]
pub struct ServeOptions {
    pub role: Role,
    pub data: PathBuf,
    /// Loopback only, while there is neither TLS nor authentication (D11). Port 0: any.
    pub listen: SocketAddr,
    /// The largest body of a message, in bytes.
    pub max_body: usize,
    /// Free disk space, in bytes, below which nothing new is taken (P18).
    pub reserve: u64,
}

/// Why a server did not start, or had to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    #[error(
        "{0} is not a loopback address: without TLS and authentication anybody could use this server; listen on 127.0.0.1 and use a tunnel"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {cause}; choose another --listen")]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("the log cannot be opened: {0}")]
    Log(#[from] LogOpenError),
    #[error("the log directory cannot be opened: {0}")]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("random numbers cannot be drawn: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{0}")]
    Stopped(StopReason),
    #[error(transparent)]
    Fatal(#[from] Fatal),
    #[error("the store could not be made durable: {0}")]
    Flush(#[from] FlushFailed),
    #[error("the port failed: {0}")]
    Port(#[from] tonic::transport::Error),
    #[error("a part of the server ended unexpectedly: {0}")]
    Ended(&'static str),
}

/// A running server.
#[allow(missing_debug_implementations, reason = "a store has no useful debug form")]
pub struct Server {
    address: SocketAddr,
    core: Core,
    replica: Replica,
    flusher: Flusher,
    thread: JoinHandle<()>,
    core_ended: oneshot::Receiver<Result<(), Fatal>>,
    tasks: JoinSet<ServeError>,
    sessions: Arc<Sessions>,
    stopping: watch::Sender<bool>,
    /// Held until everything has ended.
    _directory: DataDirectory,
}

impl Server {
    /// Starts it; when this returns it is recovered, leads, and listens.
    pub async fn start(options: ServeOptions) -> Result<Server, ServeError> {
        // An address that is refused leaves nothing behind.
        if !options.listen.ip().is_loopback() {
            return Err(ServeError::NotLoopback(options.listen));
        }
        let directory = DataDirectory::open(&options.data, options.role)?;
        let (listener, address) = bind(options.listen).await?;
        let log = open_log(&directory)?;
        reach(CrashPoint::LogRecovered);
        let store = RocksStore::open(&directory.store())?;
        let flusher = store.flusher();
        let queues = manager::Sizes { body_bytes_max: options.max_body, ..manager::Sizes::default() };
        let sizes = Sizes { queues, ..Sizes::default() };
        let node = Node::open(store)?.with_sizes(sizes);
        reach(CrashPoint::StoreOpened);
        let (effects, wanted) = effects();
        let (ended, mut core_ended) = oneshot::channel();
        let (core, thread) = core_thread::start(node, effects, ended).map_err(ServeError::Thread)?;
        let applied = Applied::default();
        let machine = Machine::new(core.clone(), applied.clone());
        let replica = core.spawn(Replica::start(ReplicaConfig::default(), log, machine));
        let replica = match replica.await {
            Ok(Ok(replica)) => replica,
            Ok(Err(error)) => return Err(reason(&mut core_ended, error.into()).await),
            Err(_) => return Err(reason(&mut core_ended, ServeError::Ended("the core")).await),
        };

        let drivers = Arc::new(Drivers::new(Secrets::from_environment()));
        let (stopping, stop) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let flush_wanted = Arc::new(Notify::new());
        spawn_effects(&mut tasks, &core, &replica, &drivers, (&flusher, applied, &flush_wanted), wanted);
        spawn_watches(&mut tasks, &core, &replica, &directory, (options.reserve, &flush_wanted));
        let identity = SessionIdentity {
            manager_id: directory.manager_id(),
            data_directory: std::path::absolute(directory.path()).unwrap_or_else(|_| directory.path().to_owned()),
        };
        let accounts = Accounts {
            core: core.clone(),
            replica: replica.clone(),
            store: flusher.clone(),
            directories: [directory.log(), directory.store()],
            reserve: options.reserve,
            sessions: Arc::default(),
            requested: Arc::new(Semaphore::new(REQUESTED_KIB_MAX)),
        };
        let resources = Arc::new(Resources::new(Arc::new(accounts), drivers, identity, options.role));
        let sessions = Sessions::new(core.clone(), resources, stop.clone(), replica.leadership());
        let service = Service { sessions: sessions.clone() };
        let sessions = Arc::new(sessions);
        let routes = routes(options.role, service);
        let mut server = Server {
            address,
            core,
            replica,
            flusher,
            thread,
            core_ended,
            tasks,
            sessions,
            stopping,
            _directory: directory,
        };
        server.await_epoch().await?;
        reach(CrashPoint::Serving);
        // Whoever connected before waits in the socket's line, and is never told that the server only starts.
        server.listen(listener, routes, stop);
        Ok(server)
    }

    /// Sessions run on the core's own thread where there are few processors: a message then wakes no thread more than the log's.
    /// Where there are many, they have threads of their own.
    fn listen(&mut self, listener: net::TcpListener, routes: tonic::service::Routes, stop: watch::Receiver<bool>) {
        let listening = listen((listener, self.address), routes, stop);
        if available_parallelism().map_or(1, NonZero::get) > SHARED_CORE_PROCESSORS_MAX {
            self.tasks.spawn(listening);
        } else {
            let listening = self.core.spawn(listening);
            self.tasks.spawn(async { listening.await.unwrap_or(ServeError::Ended("the listener")) });
        }
    }

    /// A client in this process: what it asks needs no network. To be called inside a tokio runtime, in which its session lives;
    /// it ends with the server.
    pub async fn client(&self) -> Result<Handfast, RequestError> {
        let own = OwnProcess(Arc::downgrade(&self.sessions));
        Handfast::in_process(Arc::new(own), &format!("http://{}", self.address)).await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first epoch of this process begins right after the replica leads.
    async fn await_epoch(&mut self) -> Result<(), ServeError> {
        while !self.core.is_leading().await.map_err(|_| ServeError::Ended("the core"))? {
            tokio::select! {
                () = tokio::time::sleep(EPOCH_LOOK) => {}
                Some(ended) = self.tasks.join_next() => return Err(failure(ended)),
            }
        }
        Ok(())
    }

    /// Runs until `stop` resolves, then stops cleanly; or until something fails, and says what (D12).
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        tokio::select! {
            () = stop => {}
            ended = &mut self.core_ended => {
                return Err(match ended {
                    Ok(Err(fatal)) => fatal.into(),
                    Ok(Ok(())) | Err(_) => ServeError::Ended("the core"),
                });
            }
            Some(ended) = self.tasks.join_next() => return Err(reason(&mut self.core_ended, failure(ended)).await),
        }
        self.stop().await
    }

    async fn stop(mut self) -> Result<(), ServeError> {
        tracing::info!("stopping");
        self.stopping.send_replace(true);
        flush(&self.core, &self.replica, &self.flusher).await?;
        if let Err(reason) = self.replica.shutdown().await {
            tracing::warn!(%reason, "the replica had stopped already");
        }
        self.core.send(Input::Stop).await.ok();
        let core_ended = tokio::time::timeout(STOP_GRACE, &mut self.core_ended).await;
        self.tasks.shutdown().await;
        match core_ended {
            Ok(Ok(Err(fatal))) => return Err(fatal.into()),
            Ok(Ok(Ok(()))) => self.thread.join().map_err(|_| ServeError::Ended("the core"))?,
            Ok(Err(_)) | Err(_) => return Err(ServeError::Ended("the core")),
        }
        drop(self.sessions);
        // Sessions that end let go of it; whoever starts on the same directory finds it closed.
        let closed = async {
            while !self.flusher.is_last() {
                tokio::time::sleep(EPOCH_LOOK).await;
            }
        };
        tokio::time::timeout(STOP_GRACE, closed).await.ok();
        Ok(())
    }
}

/// What ended has ended because of the core, where that cannot go on: then its reason is the one to tell (D12).
async fn reason(core_ended: &mut oneshot::Receiver<Result<(), Fatal>>, seen: ServeError) -> ServeError {
    match tokio::time::timeout(CORE_ENDED_WITHIN, core_ended).await {
        Ok(Ok(Err(fatal))) => fatal.into(),
        _ => seen,
    }
}

/// Why a task ended; none does while all is well.
fn failure(ended: Result<ServeError, tokio::task::JoinError>) -> ServeError {
    match ended {
        Ok(error) => error,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Loopback only, while there is neither TLS nor authentication (D11).
/// A listener that no runtime has taken yet.
async fn bind(address: SocketAddr) -> Result<(net::TcpListener, SocketAddr), ServeError> {
    let failed = |cause| ServeError::Listen { address, cause };
    let listener = TcpListener::bind(address).await.and_then(TcpListener::into_std).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn open_log(directory: &DataDirectory) -> Result<LogWriter, ServeError> {
    let salt = getrandom::u64().map_err(ServeError::Random)?;
    let disk = RealDisk::open(&directory.log())?;
    Ok(LogWriter::start(Log::open(disk, LogOptions { salt, ..LogOptions::default() })?))
}

/// The other ends of [`Effects`].
struct Wanted {
    proposals: mpsc::Receiver<Bytes>,
    calls: mpsc::Receiver<Call>,
    barriers: mpsc::Receiver<u64>,
}

fn effects() -> (Effects, Wanted) {
    let (proposals, proposed) = mpsc::channel(PROPOSALS_MAX);
    let (calls, called) = mpsc::channel(CALLS_UNDER_WAY_MAX);
    let (barriers, asked) = mpsc::channel(BARRIERS_MAX);
    (Effects { proposals, calls, barriers }, Wanted { proposals: proposed, calls: called, barriers: asked })
}

/// The tasks that carry out what the core thread wants, and the flushes that let its proposals go on.
fn spawn_effects(
    tasks: &mut JoinSet<ServeError>,
    core: &Core,
    replica: &Replica,
    drivers: &Arc<Drivers>,
    (flusher, applied, flush_wanted): (&Flusher, Applied, &Arc<Notify>),
    wanted: Wanted,
) {
    let Wanted { proposals, calls, barriers } = wanted;
    let (due, flushed) = (Arc::clone(flush_wanted), Arc::new(Notify::new()));
    let (proposing, asked, done) = (replica.clone(), Arc::clone(&due), Arc::clone(&flushed));
    let proposer = core.spawn(async move { propose(proposing, proposals, &asked, &done).await });
    tasks.spawn(async move {
        proposer.await.ok();
        ServeError::Ended("the proposer")
    });
    let (flushing, marking, flusher) = (core.clone(), replica.clone(), flusher.clone());
    tasks.spawn(async move { flush_when_due(flushing, marking, flusher, applied, &due, &flushed).await.into() });
    let (calling, drivers) = (core.clone(), Arc::clone(drivers));
    tasks.spawn(async move {
        carry_calls(calling, drivers, calls).await;
        ServeError::Ended("the caller of resources")
    });
    let (waiting, reading) = (core.clone(), replica.clone());
    tasks.spawn(async move {
        pass_barriers(reading, waiting, barriers).await;
        ServeError::Ended("the read barrier")
    });
}

/// The tasks that tell the core thread of the world: leadership, disk space.
fn spawn_watches(
    tasks: &mut JoinSet<ServeError>,
    core: &Core,
    replica: &Replica,
    directory: &DataDirectory,
    (reserve, flush_wanted): (u64, &Arc<Notify>),
) {
    let (following, leadership) = (core.clone(), replica.leadership());
    let (manager_id, incarnation) = (directory.manager_id(), directory.incarnation());
    tasks.spawn(
        async move { ServeError::Stopped(follow_leadership(leadership, following, manager_id, incarnation).await) },
    );
    let (watching, path, flush) = (core.clone(), directory.path().to_owned(), Arc::clone(flush_wanted));
    tasks.spawn(async move {
        watch_space(watching, path, reserve, &flush).await;
        ServeError::Ended("the watch of disk space")
    });
}

async fn listen(
    (listener, address): (net::TcpListener, SocketAddr),
    routes: tonic::service::Routes,
    mut stop: watch::Receiver<bool>,
) -> ServeError {
    /// Room for a few bodies in flight on one connection; the default of 64 KiB would wait for the client between frames.
    const WINDOW_BYTES: u32 = 4 << 20;
    let stopped = async move {
        stop.wait_for(|stopping| *stopping).await.ok();
    };
    // An answer of several segments must not wait for the client to acknowledge the first ones. Said here: the builder's own
    // word for it holds only for connections that it accepts itself.
    let connections = match TcpListener::from_std(listener) {
        Ok(listener) => TcpIncoming::from(listener).with_nodelay(Some(true)),
        Err(cause) => return ServeError::Listen { address, cause },
    };
    let served = tonic::transport::Server::builder()
        .accept_http1(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections, stopped)
        .await;
    match served {
        // A clean stop: the task stays until it is cut with the others.
        Ok(()) => std::future::pending().await,
        Err(error) => error.into(),
    }
}
