//! A resource manager that keeps its branches in memory: what a service would keep on disk survives its restart here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use handfast_wire::v1;
use handfast_wire::v1::attach_reply::Kind;
use handfast_wire::v1::resource_manager_server::{ResourceManager, ResourceManagerServer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// What the service knows, and what the next answers are to be.
#[derive(Default)]
pub struct Memory {
    pub id: Uuid,
    /// Per coordinator: incarnation and epoch of the last attach.
    pub visits: BTreeMap<Vec<u8>, (u64, u64)>,
    pub attaches: usize,
    /// gtrid and bqual of each prepared branch.
    pub prepared: Vec<v1::Xid>,
    pub votes: VecDeque<i32>,
    pub heuristics: VecDeque<i32>,
    pub forgotten: Vec<v1::Xid>,
    /// The next commit is never answered.
    pub silent: bool,
}

#[derive(Clone, Default)]
pub struct Double(Arc<Mutex<Memory>>);

impl Double {
    pub fn with_id(id: u128) -> Double {
        let double = Double::default();
        double.memory().id = Uuid::from_u128(id);
        double
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap()
    }

    fn end(&self, xid: Option<&v1::Xid>) -> Response<v1::EndReply> {
        let mut memory = self.memory();
        memory.prepared.retain(|prepared| Some(prepared) != xid);
        let heuristic = memory.heuristics.pop_front().unwrap_or_default();
        Response::new(v1::EndReply { heuristic })
    }
}

/// A running server. Dropping it closes every connection.
pub struct Running {
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// `port` 0: any.
    pub async fn start(double: &Double, port: u16) -> Running {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::builder()
            .add_service(ResourceManagerServer::new(double.clone()))
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async { drop(stopped.await) });
        let task = tokio::spawn(async move { server.await.unwrap() });
        Running { port, stop: Some(stop), task }
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns when the port is free again.
    pub async fn stop(mut self) -> u16 {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
        self.port
    }
}

#[tonic::async_trait]
impl ResourceManager for Double {
    async fn prepare(&self, request: Request<v1::PrepareRequest>) -> Result<Response<v1::PrepareReply>, Status> {
        let mut memory = self.memory();
        memory.prepared.extend(request.into_inner().xid);
        let vote = memory.votes.pop_front().unwrap_or(v1::PrepareVote::Commit.into());
        Ok(Response::new(v1::PrepareReply { vote, reason: "out of stock".to_owned() }))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Result<Response<v1::EndReply>, Status> {
        if std::mem::take(&mut self.memory().silent) {
            std::future::pending::<()>().await;
        }
        Ok(self.end(request.into_inner().xid.as_ref()))
    }

    async fn rollback(&self, request: Request<v1::RollbackRequest>) -> Result<Response<v1::EndReply>, Status> {
        Ok(self.end(request.into_inner().xid.as_ref()))
    }

    async fn recover(&self, request: Request<v1::RecoverRequest>) -> Result<Response<v1::RecoverReply>, Status> {
        let v1::RecoverRequest { after, limit, .. } = request.into_inner();
        let memory = self.memory();
        let start = after.map_or(0, |after| memory.prepared.iter().position(|xid| *xid == after).unwrap() + 1);
        let xids = memory.prepared[start..].iter().take(limit as usize).cloned().collect();
        Ok(Response::new(v1::RecoverReply { xids }))
    }

    async fn forget(&self, request: Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetReply>, Status> {
        self.memory().forgotten.extend(request.into_inner().xid);
        Ok(Response::new(v1::ForgetReply {}))
    }

    async fn attach(&self, request: Request<v1::AttachRequest>) -> Result<Response<v1::AttachReply>, Status> {
        let ask = request.into_inner();
        let mut memory = self.memory();
        memory.attaches += 1;
        let ours = (ask.incarnation, ask.epoch);
        let found = memory.visits.get(ask.coordinator.as_ref()).copied();
        let kind = match found {
            _ if ask.adopt => Kind::Attached,
            None if ask.first => Kind::Attached,
            None => Kind::UnknownCoordinator,
            Some((incarnation, epoch)) if incarnation != ours.0 || epoch > ours.1 => Kind::Ahead,
            Some(_) => Kind::Attached,
        };
        if kind == Kind::Attached {
            memory.visits.insert(ask.coordinator.to_vec(), ours);
        }
        let (found_incarnation, found_epoch) = found.unwrap_or_default();
        Ok(Response::new(v1::AttachReply {
            kind: kind.into(),
            resource_id: memory.id.as_bytes().to_vec().into(),
            found_incarnation,
            found_epoch,
            slots: Some(9),
        }))
    }
}
