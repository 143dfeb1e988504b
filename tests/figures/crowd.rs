//! Many queues, many connections, many who wait.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use handfast_client::{Handfast, Message, QueueSettings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::harness::Server;
use super::{MIB, in_parallel, memory};

/// An idle connection takes less.
const CONNECTION_BYTES_MAX: u64 = 32 << 10;

struct Crowd {
    queues: usize,
    connections: usize,
    receives: usize,
}

#[tokio::test]
async fn a_crowd_is_served() {
    run(Crowd { queues: 2_000, connections: 500, receives: 1_000 }).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn crowd() {
    run(Crowd { queues: 100_000, connections: 10_000, receives: 10_000 }).await;
}

/// Says what the server's memory grew by.
struct Growth<'s> {
    server: &'s Server,
    before: u64,
    since: Instant,
}

impl Growth<'_> {
    /// Bytes for each of `count`.
    fn by(&mut self, count: usize, what: &str) -> u64 {
        let (now, peak) = memory(self.server);
        let each = now.saturating_sub(self.before) / count as u64;
        let seconds = self.since.elapsed().as_secs_f64();
        println!(
            "{count:>7} {what:<18} {seconds:>6.1} s, {each:>6} bytes each, {} MiB now, {} MiB at most",
            now / MIB,
            peak / MIB
        );
        (self.before, self.since) = (now, Instant::now());
        each
    }
}

async fn run(crowd: Crowd) {
    raise_file_limit();
    let server = Server::start();
    let handfast = Handfast::connect(&server.url()).await.unwrap();
    let name = |n: usize| format!("crowd-{n}");
    let mut growth = Growth { server: &server, before: memory(&server).0, since: Instant::now() };

    in_parallel(crowd.queues, 256, |n| {
        let (handfast, name) = (handfast.clone(), name(n));
        async move { handfast.create_queue(&name, QueueSettings::default()).await.unwrap() }
    })
    .await;
    growth.by(crowd.queues, "queues");
    assert_eq!(handfast.queues().await.unwrap().len(), crowd.queues + 1);
    growth.by(crowd.queues, "queues listed");

    let url = server.url();
    let connections = in_parallel(crowd.connections, 64, |_| async { Handfast::connect(&url).await.unwrap() }).await;
    let each = growth.by(crowd.connections, "connections");
    assert!(each < CONNECTION_BYTES_MAX, "{each} bytes a connection");

    let receives = (0..crowd.receives).map(|n| {
        let (connection, name) = (connections[n % connections.len()].clone(), name(n % crowd.queues));
        tokio::spawn(async move { connection.receive(&name, Duration::from_secs(3_600)).await.unwrap().unwrap() })
    });
    let receives: Vec<_> = receives.collect();
    let waiting = || async {
        let gauges = handfast.status().await.unwrap();
        gauges.into_iter().find(|gauge| gauge.name == "waiting_receives").unwrap().value
    };
    while waiting().await < crowd.receives as u64 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    growth.by(crowd.receives, "waiting receives");
    in_parallel(crowd.receives, 256, |n| {
        let (handfast, name) = (handfast.clone(), name(n % crowd.queues));
        async move { handfast.send(&name, Message::text(n.to_string())).await.unwrap() }
    })
    .await;
    let received = join_all(receives).await;
    growth.by(crowd.receives, "received");
    let mut numbers: Vec<usize> =
        received.iter().map(|received| received.as_ref().unwrap().text().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..crowd.receives).collect::<Vec<_>>());

    let all_on_one = join_all((0..crowd.receives).map(|n| {
        let connection = connections[n % connections.len()].clone();
        async move { connection.receive("crowd-0", Duration::from_secs(3_600)).await.unwrap().unwrap() }
    }));
    let sends = in_parallel(crowd.receives, 256, |_| {
        let handfast = handfast.clone();
        async move { handfast.send("crowd-0", Message::text("x")).await.unwrap() }
    });
    tokio::join!(all_on_one, sends);
    growth.by(crowd.receives, "on one queue");
}

/// The connections of the test are files as well.
fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
