//! Inputs made by the code that writes such things in earnest: where fuzzing begins.

mod entries;
mod logs;
mod messages;
mod texts;
mod users;

use handfast_protocol::{CoordinatorId, GlobalId, Incarnation};
use uuid::Uuid;

/// Target, name, bytes.
pub type Seed = (&'static str, String, Vec<u8>);

pub fn all() -> Vec<Seed> {
    let seeds = [entries::seeds(), logs::seeds(), messages::seeds(), texts::seeds(), users::seeds(), schedules()];
    seeds.into_iter().flatten().collect()
}

fn seed(target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) -> Seed {
    (target, name.to_owned(), bytes.into())
}

fn id() -> GlobalId {
    GlobalId {
        coordinator: CoordinatorId(Uuid::from_u128(0x0198_c5f2_a6b7_7c10_b3f1_a2b3_c4d5_e6f7)),
        incarnation: Incarnation(300),
        epoch: 2,
        sequence: 70_000,
    }
}

/// Each way to commit: three orders, one of them poisonous, two clients; then a strike at each victim.
fn schedules() -> Vec<Seed> {
    const SIZES: [u8; 10] = [0; 10];
    // Orders, poisons, expiring, ballast, clients, onward, imported, the sizes, no turmoil.
    let scene = |way: u8| [&[way, 2, 1, 0, 40, 1, 1, 1], &SIZES[..], &[0]].concat();
    let strike = |victim: u8| [victim, 0, 12, 1, 0, 0];
    let calm = (0..6).map(|way| seed("schedule", &format!("calm_{way}"), scene(way)));
    let struck = (0..6).map(|way| {
        let bytes = scene(way).into_iter().chain((0..5).flat_map(strike));
        seed("schedule", &format!("struck_{way}"), bytes.collect::<Vec<_>>())
    });
    calm.chain(struck).collect()
}
