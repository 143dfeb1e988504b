//! The application: receives an order, writes its row, sends a shipment, commits once, and says what it was told. It is a
//! process of its own, so that it can die.

use std::process::{Command, Stdio};
use std::time::Duration;

use handfast_client::{Blame, CommitOutcome, Handfast, Message};
use handfast_crash_points::CrashPoint;

use crate::harness::Running;
use crate::row::{Row, Scene, Way};
use crate::world::World;

const WAY: &str = "HANDFAST_TEST_WAY";
const SERVER: &str = "HANDFAST_TEST_SERVER";
const TABLE: &str = "HANDFAST_TEST_TABLE";
const SCENE: &str = "HANDFAST_TEST_SCENE";
const SECONDS: &str = "HANDFAST_TEST_SECONDS";
const TOLD: &str = "told: ";

/// What the application knows at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Committed,
    RolledBack,
    /// It could not even begin, or could not work: nothing was asked to be committed.
    Failed,
    Unknown,
    /// A branch has ended otherwise than the rest.
    Heuristic,
}

const WORDS: [(&str, Told); 5] = [
    ("committed", Told::Committed),
    ("rolled back", Told::RolledBack),
    ("failed", Told::Failed),
    ("unknown", Told::Unknown),
    ("heuristic", Told::Heuristic),
];

pub fn start(world: &World, row: &Row, at: Option<&str>, seconds: u64) -> Running {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["client::one_transaction", "--exact", "--ignored", "--nocapture"]).stdin(Stdio::null());
    command.env(WAY, format!("{:?}", world.way)).env(SERVER, world.coordinator().url());
    command.env(TABLE, &world.table).env(SECONDS, seconds.to_string()).env(SCENE, format!("{:?}", row.scene));
    if let Some(at) = at {
        command.env(handfast_crash_points::VARIABLE, at);
    }
    Running::start(&mut command)
}

/// `None`: it died.
pub fn told(client: Running) -> Option<Told> {
    let run = client.end();
    let line = run.text().lines().find_map(|line| Some(line.split_once(TOLD)?.1));
    line.map(|said| WORDS.into_iter().find(|(word, _)| said.starts_with(word)).unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the rows of the table, in a process of its own"]
async fn one_transaction() {
    handfast_crash_points::enable().unwrap();
    let told = match transaction().await {
        Ok(CommitOutcome::Committed) => "committed".to_owned(),
        Ok(CommitOutcome::RolledBack { why }) => format!("rolled back: {why}"),
        Ok(CommitOutcome::Unknown(transaction)) => format!("unknown: {}", transaction.id()),
        Ok(CommitOutcome::Heuristic { heuristic, .. }) => format!("heuristic: {heuristic}"),
        Err(error) => format!("failed: {error}"),
    };
    println!("{TOLD}{told}");
}

async fn transaction() -> Result<CommitOutcome, Box<dyn std::error::Error>> {
    let said = |name: &str| std::env::var(name).unwrap();
    let (way, scene, table) = (said(WAY), said(SCENE), said(TABLE));
    let (is, plays) = (|other: Way| way == format!("{other:?}"), |other: Scene| scene == format!("{other:?}"));
    let handfast = Handfast::connect(&said(SERVER)).await?;
    let mut tx = handfast.begin_within(Duration::from_secs(said(SECONDS).parse().unwrap())).await?;
    handfast_crash_points::reach(CrashPoint::ClientBegun);
    let is_standalone = is(Way::StandaloneMarker) || is(Way::StandaloneTwoPhase);
    let order =
        if is_standalone { tx.queues("north").await?.receive("orders").await? } else { tx.receive("orders").await? };
    let body = order.text()?.to_owned();
    if plays(Scene::GivesUp) {
        tx.rollback(Blame::Message { error: "it cannot be done".to_owned() }).await?;
        return Err("given up".into());
    }
    if is(Way::Sqlite) {
        tx.sqlite(&table).await?.execute("insert into rows(body) values (?1)", &[&body]).await?;
    } else if !is(Way::Local) {
        let database = tx.postgres(&table).await?;
        database.execute(&format!("insert into {table}(body) values ($1)"), &[&body]).await?;
        if plays(Scene::StatementFails) {
            assert!(database.execute("select 1 / 0", &[]).await.is_err());
        }
    }
    if !is_standalone {
        tx.send("shipments", Message::text(body)).await?;
    } else if plays(Scene::SendsNothing) {
        tx.queues("south").await?;
    } else {
        tx.queues("south").await?.send("shipments", Message::text(body)).await?;
    }
    Ok(tx.commit().await)
}
