//! P3: a copied directory is a coordinator that nobody knows, until its operator says otherwise.

use std::path::Path;

use crate::harness::{Server, handfast_coordinator, until};
use crate::world::World;
use handfast_client::{CommitOutcome, Handfast, Message};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_second_coordinator_on_a_copied_directory_is_refused() {
    let mut world = World::start();
    world.coordinator.kill();
    let parent = tempfile::tempdir().unwrap();
    copy(&world.coordinator.data(), &parent.path().join("data"));
    let second = Server::start_on(handfast_coordinator, parent);

    let problem = |name: &str| {
        let listed = second.run(&["resource", "list", "--output", "json"]).json();
        let found = listed.as_array().unwrap().iter().find(|resource| resource["name"] == name).unwrap().clone();
        (found["attached"] == true, found["problem"].as_str().unwrap().to_owned())
    };
    for name in ["north", "south", "ledger"] {
        let adopt = format!("handfast resource adopt {name}");
        until("it has been told", || problem(name).1.contains(&adopt));
        assert!(!problem(name).0, "{name}");
        let tested = second.run(&["resource", "test", name]);
        assert!(tested.code == Some(1) && tested.text().contains(&adopt), "{tested:?}");
    }
    let handfast = Handfast::connect(&second.url()).await.unwrap();
    let refused = handfast.begin().await.unwrap().queues("north").await.unwrap_err().to_string();
    assert!(refused.contains("handfast resource adopt north"), "{refused}");

    // The original goes on as if nothing had been.
    world.coordinator.start_again();
    let handfast = world.client().await;
    until("north is attached", || {
        let listed = world.coordinator.run(&["resource", "list", "--output", "json"]).json();
        listed.as_array().unwrap().iter().all(|resource| resource["attached"] == true)
    });
    let mut tx = handfast.begin().await.unwrap();
    tx.queues("north").await.unwrap().send("orders", Message::text("one")).await.unwrap();
    assert!(matches!(tx.commit().await, CommitOutcome::Committed));
    assert_eq!(world.north.bodies("orders"), ["one"]);
}
