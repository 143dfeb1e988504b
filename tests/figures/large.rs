//! The largest messages there are, many at once.

use std::time::Instant;

use bytes::Bytes;
use handfast_client::{Handfast, Message, QueueSettings};
use handfast_protocol::limits::BODY_BYTES_MAX;

use super::harness::{Server, handfast};
use super::{MIB, in_parallel, memory};

/// What the server takes, however many of them are under way.
const MEMORY_MAX: u64 = 300 * MIB;

#[tokio::test]
async fn large_messages_take_a_bounded_memory() {
    run(8).await;
}

#[tokio::test]
#[ignore = "takes minutes and 15 GB"]
async fn large() {
    run(100).await;
}

fn serving_the_largest(args: &[&str]) -> std::process::Command {
    let mut all = args.to_vec();
    all.splice(1..1, ["--max-body", "64MiB"]);
    handfast(&all)
}

async fn run(count: usize) {
    let server = Server::start_on(serving_the_largest, tempfile::tempdir().unwrap());
    let client = Handfast::connect(&server.url()).await.unwrap();
    client.create_queue("films", QueueSettings::default()).await.unwrap();
    let body: Vec<u8> = (0..BODY_BYTES_MAX).map(|n| (n % 251) as u8).collect();
    let body = Bytes::from(body);

    let began = Instant::now();
    in_parallel(count, count, |_| async { client.send("films", Message::bytes(body.clone())).await.unwrap() }).await;
    let (sent, peak) = (began.elapsed().as_secs_f64(), memory(&server).1);
    println!("{count} messages of 64 MiB sent at once in {sent:.1} s, {} MiB at most", peak / MIB);
    // A few at a time: each is whole in the memory of its receiver.
    let received = in_parallel(count, 4, |_| async {
        let (transaction, received) = client.begin_receive("films", std::time::Duration::ZERO).await.unwrap().unwrap();
        let is_whole = received.message.body == body;
        transaction.commit().await.into_result().unwrap();
        is_whole
    })
    .await;
    assert!(received.into_iter().all(|is_whole| is_whole));
    let (all, peak) = (began.elapsed().as_secs_f64(), memory(&server).1);
    println!("received in {:.1} s, {} MiB at most", all - sent, peak / MIB);
    assert!(peak < MEMORY_MAX, "{} MiB", peak / MIB);
}
