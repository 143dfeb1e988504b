//! Transfers between two queue managers while coordinator and queue managers are killed at random moments: those between
//! prepare and commit are among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use handfast_client::{Handfast, Message};
use serde_json::json;

use crate::harness::{Server, until};
use crate::world::World;

const SEED: u64 = 0x5eed;
const MESSAGES: usize = 60;
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
async fn transfer(handfast: Handfast, seed: u64, stop: Arc<AtomicBool>) -> usize {
    let mut random = Random(seed);
    let mut committed = 0;
    while !stop.load(Ordering::Relaxed) {
        let (from, to) = if random.below(2) == 0 { ("north", "south") } else { ("south", "north") };
        match move_one(&handfast, from, to).await {
            Ok(moved) => committed += usize::from(moved),
            // A server is away. There is nothing to wait for but it.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    committed
}

async fn move_one(handfast: &Handfast, from: &str, to: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let mut tx = handfast.begin_within(Duration::from_secs(10)).await?;
    let wait = Duration::from_millis(100);
    let Some(message) = tx.queues(from).await?.receive_within("orders", wait).await? else { return Ok(false) };
    tx.queues(to).await?.send("orders", Message::text(message.text()?)).await?;
    tx.commit().await.into_result()?;
    Ok(true)
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

fn bodies(server: &Server) -> Vec<usize> {
    let lines = server.run(&["peek", "orders"]).ok().to_owned();
    lines.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g1_g3_kills_at_random_moments_lose_and_double_nothing() {
    let mut world = World::start();
    let lines: String = (0..MESSAGES).map(|number| format!("{number}\n")).collect();
    world.north.run_with(&["send", "orders", "--lines"], lines.as_bytes()).ok();

    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for seed in 0..WORKERS {
        workers.push(tokio::spawn(transfer(world.client().await, SEED + seed, Arc::clone(&stop))));
    }
    let kills = tokio::task::block_in_place(|| kill_at_random(&mut world));
    let restarted = Instant::now();
    stop.store(true, Ordering::Relaxed);
    let mut committed = 0;
    for worker in workers {
        committed += worker.await.unwrap();
    }
    until("nothing is in doubt", || world.is_quiet());
    let quiet = restarted.elapsed();
    println!("{kills} kills, {committed} transfers known to be committed, quiet after {quiet:?}");
    assert!(quiet < QUIET_WITHIN, "{quiet:?}");
    assert!(committed >= MESSAGES, "only {committed} transfers: the kills met no work");

    let mut all = [bodies(&world.north), bodies(&world.south)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>());
    for server in [&world.north, &world.south] {
        assert_eq!(server.run(&["dead-letter", "list", "--output", "json"]).json(), json!([]));
    }
}
