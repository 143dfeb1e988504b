//! Transfers between two queue managers while the coordinator, the queue managers and PostgreSQL are killed at random moments:
//! those between prepare and commit are among them. Some transfers take databases along: one whose commit decides, one that is
//! prepared, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use handfast_client::{Handfast, Message};
use handfast_private_postgres::{Options, PostgresServer};
use serde_json::json;

use crate::harness::{Server, until};
use crate::world::{World, attached};

const SEED: u64 = 0x5eed;
const MESSAGES: u64 = 60;
const WORKERS: u64 = 6;
const KILLING: Duration = Duration::from_secs(15);
/// What a slow machine manages in that time.
const KILLS_MIN: usize = 12;
const COORDINATOR_KILLS_MIN: usize = 4;
/// Nothing is in doubt any more so long after the last restart.
const QUIET_WITHIN: Duration = Duration::from_secs(30);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound
    }
}

/// The databases of one transfer: SQLite by marker, PostgreSQL by marker and in two phases.
const WAYS: [&[&str]; 5] = [&[], &["ledger"], &["books"], &["accounts"], &["accounts", "ledger"]];

/// Moves messages to and fro until it is told to stop; how many transfers it knows to be committed.
async fn transfer(handfast: Handfast, seed: u64, stop: Arc<AtomicBool>) -> u64 {
    let mut random = Random(seed);
    let mut committed = 0;
    while !stop.load(Ordering::Relaxed) {
        let (from, to) = if random.below(2) == 0 { ("north", "south") } else { ("south", "north") };
        let databases = WAYS[random.below(WAYS.len() as u64) as usize];
        match move_one(&handfast, from, to, databases).await {
            Ok(moved) => committed += u64::from(moved),
            // A server is away. There is nothing to wait for but it.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    committed
}

/// A message is its id, and for each hop that took databases along their names. Such a hop is a row in each of them.
async fn move_one(handfast: &Handfast, from: &str, to: &str, databases: &[&str]) -> Result<bool, Failure> {
    let mut tx = handfast.begin_within(Duration::from_secs(10)).await?;
    let wait = Duration::from_millis(100);
    let Some(message) = tx.queues(from).await?.receive_within("orders", wait).await? else { return Ok(false) };
    let mut body = message.text()?.to_owned();
    let (id, hops) = hops_of(&body);
    let hop = hops.len() as i64;
    for &database in databases {
        if database == "ledger" {
            let ledger = tx.sqlite(database).await?;
            ledger.execute("insert into hops(id, hop) values (?1, ?2)", &[&id, &hop]).await?;
        } else {
            let books = tx.postgres(database).await?;
            books.execute(&format!("insert into {database}(id, hop) values ($1, $2)"), &[&id, &hop]).await?;
        }
    }
    if !databases.is_empty() {
        body = format!("{body} {}", databases.join("+"));
    }
    tx.queues(to).await?.send("orders", Message::text(body)).await?;
    tx.commit().await.into_result()?;
    Ok(true)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn hops_of(body: &str) -> (i64, Vec<&str>) {
    let mut words = body.split(' ');
    (words.next().unwrap().parse().unwrap(), words.collect())
}

/// How often anybody was killed, and the coordinator.
fn kill_at_random(world: &mut World, postgres: &mut PostgresServer) -> (usize, usize) {
    let (mut random, since) = (Random(SEED), Instant::now());
    let (mut kills, mut of_coordinator) = (0, 0);
    while since.elapsed() < KILLING {
        // The moment is what is tried; nothing waits for it.
        std::thread::sleep(Duration::from_millis(100 + random.below(900)));
        kills += 1;
        let victim = match random.below(6) {
            0..3 => {
                of_coordinator += 1;
                &mut world.coordinator
            }
            3 => &mut world.north,
            4 => &mut world.south,
            _ => {
                postgres.kill();
                postgres.restart().unwrap();
                continue;
            }
        };
        victim.kill();
        victim.start_again();
    }
    (kills, of_coordinator)
}

/// The bodies there, in the order of their ids.
fn bodies(world: &World) -> Vec<String> {
    let peek =
        |server: &Server| -> Vec<String> { server.run(&["peek", "orders"]).ok().lines().map(str::to_owned).collect() };
    let mut bodies = [peek(&world.north), peek(&world.south)].concat();
    bodies.sort_by_key(|body| hops_of(body).0);
    bodies
}

/// Every hop that is in the SQLite database, or in a table of the PostgreSQL database, as `ID|HOP`.
fn rows(world: &World, postgres: &PostgresServer, database: &str) -> Vec<String> {
    if database != "ledger" {
        let rows = postgres.psql(&format!("select id, hop from {database} order by id, hop")).unwrap();
        return rows.lines().map(str::to_owned).collect();
    }
    let ledger = rusqlite::Connection::open(world.ledger()).unwrap();
    let mut query = ledger.prepare("select id || '|' || hop from hops order by id, hop").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn with_databases() -> (World, PostgresServer) {
    let world = World::start();
    let ledger = rusqlite::Connection::open(world.ledger()).unwrap();
    ledger.execute("create table hops(id, hop, primary key(id, hop))", []).unwrap();
    let postgres = PostgresServer::start(Options::default()).unwrap();
    for (table, mode) in [("books", None), ("accounts", Some("--two-phase"))] {
        postgres.psql(&format!("create table {table}(id bigint, hop bigint, primary key(id, hop))")).unwrap();
        let mut args = vec!["resource", "add", table, "--postgres"];
        let url = postgres.url();
        args.push(&url);
        args.extend(mode);
        world.coordinator.run(&args).ok();
    }
    until("both are attached", || attached(&world.coordinator));
    (world, postgres)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g1_g3_kills_at_random_moments_lose_and_double_nothing() {
    let (mut world, mut postgres) = with_databases();
    let lines: String = (0..MESSAGES).map(|number| format!("{number}\n")).collect();
    world.north.run_with(&["send", "orders", "--lines"], lines.as_bytes()).ok();

    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for seed in 0..WORKERS {
        workers.push(tokio::spawn(transfer(world.client().await, SEED + seed, Arc::clone(&stop))));
    }
    let (kills, of_coordinator) = tokio::task::block_in_place(|| kill_at_random(&mut world, &mut postgres));
    let restarted = Instant::now();
    stop.store(true, Ordering::Relaxed);
    let mut committed: u64 = 0;
    for worker in workers {
        committed += worker.await.unwrap();
    }
    until("nothing is in doubt", || world.is_quiet());
    let quiet = restarted.elapsed();
    println!(
        "{kills} kills, {of_coordinator} of the coordinator, {committed} transfers known to be committed, quiet after {quiet:?}"
    );
    assert!(kills >= KILLS_MIN && of_coordinator >= COORDINATOR_KILLS_MIN, "{kills} kills, {of_coordinator}");
    assert!(quiet < QUIET_WITHIN, "{quiet:?}");
    assert!(committed >= MESSAGES, "only {committed} transfers: the kills met no work");

    let bodies = bodies(&world);
    let told: Vec<(i64, Vec<&str>)> = bodies.iter().map(|body| hops_of(body)).collect();
    assert_eq!(told.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (0..MESSAGES as i64).collect::<Vec<_>>());
    for database in ["ledger", "books", "accounts"] {
        let hops = told.iter().flat_map(|(id, hops)| hops.iter().enumerate().map(move |(hop, names)| (id, hop, names)));
        let hops = hops.filter(|(_, _, names)| names.split('+').any(|name| name == database));
        let hops: Vec<String> = hops.map(|(id, hop, _)| format!("{id}|{hop}")).collect();
        assert!(!hops.is_empty(), "no transfer took {database} along");
        assert_eq!(rows(&world, &postgres, database), hops, "{database}");
    }
    // What was prepared for a coordinator that died before it wrote anything is nobody's: the sweep ends it (P8).
    until("nothing stays prepared", || postgres.psql("select count(*) from pg_prepared_xacts").unwrap() == "0");
    println!("nothing prepared after {:?}", restarted.elapsed());
    for server in [&world.north, &world.south] {
        assert_eq!(server.run(&["dead-letter", "list", "--output", "json"]).json(), json!([]));
    }
}
