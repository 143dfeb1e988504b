//! Transfers between two queue managers while coordinator and queue managers are killed at random moments: those between
//! prepare and commit are among them. Some transfers count their hop in a database as well, whose commit then decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use handfast_client::{Handfast, Message};
use serde_json::json;

use crate::harness::{Server, until};
use crate::world::World;

const SEED: u64 = 0x5eed;
const MESSAGES: u64 = 60;
const WORKERS: u64 = 6;
const KILLING: Duration = Duration::from_secs(15);
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

/// Moves messages to and fro until it is told to stop; how many transfers it knows to be committed.
async fn transfer(handfast: Handfast, seed: u64, stop: Arc<AtomicBool>) -> u64 {
    let mut random = Random(seed);
    let mut committed = 0;
    while !stop.load(Ordering::Relaxed) {
        let (from, to) = if random.below(2) == 0 { ("north", "south") } else { ("south", "north") };
        match move_one(&handfast, from, to, random.below(2) == 0).await {
            Ok(moved) => committed += u64::from(moved),
            // A server is away. There is nothing to wait for but it.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    committed
}

/// A message is `ID HOPS`. With the ledger, the hop is a row there and a number in the message: both or neither.
async fn move_one(handfast: &Handfast, from: &str, to: &str, with_ledger: bool) -> Result<bool, Failure> {
    let mut tx = handfast.begin_within(Duration::from_secs(10)).await?;
    let wait = Duration::from_millis(100);
    let Some(message) = tx.queues(from).await?.receive_within("orders", wait).await? else { return Ok(false) };
    let (id, hops) = numbers(message.text()?);
    let hops = if with_ledger { hops + 1 } else { hops };
    if with_ledger {
        let ledger = tx.sqlite("ledger").await?;
        ledger.execute("insert into hops(id, hop) values (?1, ?2)", &[&id, &hops]).await?;
    }
    tx.queues(to).await?.send("orders", Message::text(format!("{id} {hops}"))).await?;
    tx.commit().await.into_result()?;
    Ok(true)
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn numbers(body: &str) -> (u64, u64) {
    let (id, hops) = body.split_once(' ').unwrap();
    (id.parse().unwrap(), hops.parse().unwrap())
}

fn kill_at_random(world: &mut World) -> usize {
    let (mut random, since) = (Random(SEED), Instant::now());
    let mut kills = 0;
    while since.elapsed() < KILLING {
        // The moment is what is tried; nothing waits for it.
        std::thread::sleep(Duration::from_millis(100 + random.below(900)));
        let victim = match random.below(5) {
            0..3 => &mut world.coordinator,
            3 => &mut world.north,
            _ => &mut world.south,
        };
        victim.kill();
        victim.start_again();
        kills += 1;
    }
    kills
}

/// Each message with its hops.
fn messages(server: &Server) -> Vec<(u64, u64)> {
    server.run(&["peek", "orders"]).ok().lines().map(numbers).collect()
}

/// Every hop that is in the database.
fn hops(world: &World) -> Vec<(u64, u64)> {
    let ledger = rusqlite::Connection::open(world.ledger()).unwrap();
    let mut query = ledger.prepare("select id, hop from hops order by id, hop").unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g1_g3_kills_at_random_moments_lose_and_double_nothing() {
    let mut world = World::start();
    let ledger = rusqlite::Connection::open(world.ledger()).unwrap();
    ledger.execute("create table hops(id, hop, primary key(id, hop))", []).unwrap();
    let lines: String = (0..MESSAGES).map(|number| format!("{number} 0\n")).collect();
    world.north.run_with(&["send", "orders", "--lines"], lines.as_bytes()).ok();

    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for seed in 0..WORKERS {
        workers.push(tokio::spawn(transfer(world.client().await, SEED + seed, Arc::clone(&stop))));
    }
    let kills = tokio::task::block_in_place(|| kill_at_random(&mut world));
    let restarted = Instant::now();
    stop.store(true, Ordering::Relaxed);
    let mut committed: u64 = 0;
    for worker in workers {
        committed += worker.await.unwrap();
    }
    until("nothing is in doubt", || world.is_quiet());
    let quiet = restarted.elapsed();
    println!("{kills} kills, {committed} transfers known to be committed, quiet after {quiet:?}");
    assert!(quiet < QUIET_WITHIN, "{quiet:?}");
    assert!(committed >= MESSAGES, "only {committed} transfers: the kills met no work");

    let mut all = [messages(&world.north), messages(&world.south)].concat();
    all.sort_unstable();
    assert_eq!(all.iter().map(|(id, _)| *id).collect::<Vec<_>>(), (0..MESSAGES).collect::<Vec<_>>());
    let told: Vec<(u64, u64)> = all.iter().flat_map(|(id, hops)| (1..=*hops).map(move |hop| (*id, hop))).collect();
    assert!(!told.is_empty(), "no transfer took the database along");
    assert_eq!(hops(&world), told);
    for server in [&world.north, &world.south] {
        assert_eq!(server.run(&["dead-letter", "list", "--output", "json"]).json(), json!([]));
    }
}
