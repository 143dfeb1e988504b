//! A queue manager as a part of an application: the same client, without a network.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::time::Duration;

use handfast::server::{RESERVE_BYTES_MIN, Role, ServeOptions, Server};
use handfast_client::{Handfast, Message, QueueSettings, RequestError};

async fn start(data: &Path) -> Server {
    let options = ServeOptions {
        role: Role::QueueManager,
        data: data.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        max_body: 4 << 20,
        reserve: RESERVE_BYTES_MIN,
    };
    Server::start(options).await.unwrap()
}

#[tokio::test]
async fn what_is_sent_in_the_process_is_seen_from_outside_and_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path()).await;
    let inside = server.client().await.unwrap();
    let outside = Handfast::connect(&format!("http://{}", server.address())).await.unwrap();
    inside.create_queue("orders", QueueSettings::default()).await.unwrap();
    inside.create_queue("shipments", QueueSettings::default()).await.unwrap();
    for body in ["one", "two"] {
        inside.send("orders", Message::text(body)).await.unwrap();
    }
    // Larger than what a frame takes, and than what rests inline.
    let large = vec![b'x'; 1 << 20];
    inside.send("orders", Message::bytes(large.clone())).await.unwrap();

    let (mut transaction, one) = inside.begin_receive("orders", Duration::ZERO).await.unwrap().unwrap();
    transaction.send_with_commit("shipments", Message::bytes(one.message.body));
    transaction.commit().await.into_result().unwrap();
    assert_eq!(outside.receive("shipments", Duration::ZERO).await.unwrap().unwrap().text().unwrap(), "one");

    // Its locks go with a client that goes without a word.
    let (forgotten, two) = inside.begin_receive("orders", Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(two.text().unwrap(), "two");
    std::mem::forget(forgotten);
    drop((inside, outside));
    server.run(async {}).await.unwrap();

    let server = start(directory.path()).await;
    let inside = server.client().await.unwrap();
    assert_eq!(inside.receive("orders", Duration::ZERO).await.unwrap().unwrap().text().unwrap(), "two");
    assert!(inside.receive("orders", Duration::ZERO).await.unwrap().unwrap().message.body == large);
    server.run(async {}).await.unwrap();
    match inside.queue("orders").await {
        Err(RequestError::Lost { .. } | RequestError::Unreachable { .. }) => {}
        other => panic!("the server has ended: {other:?}"),
    }
}
