//! The simulated world: the real cores and the real log over simulated disks, databases, clients and messages, and a checker
//! that judges what came of it. One plan, one run, on one thread: no clock, no randomness but the plan's seed.
//!
//! - [`plan`]: what a run is told. Its text is all that is needed to run it again: a failed run prints it, and
//!   `cargo run -p handfast-simulation -- PLAN` tells that run step by step.
//! - [`world`]: the run.
//! - [`trial`]: the run, judged by the checker.
//! - [`exhaustive`]: every single crash of a scene; [`swarm`]: plans drawn from seeds.
//! - [`pace`]: how fast that is.
//! - [`reduce`]: what is left of a failed plan when all that it does not need is left out.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

/// A run asks for little but small pieces of memory: with the C library's allocator it takes a quarter longer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod client;
mod database;
pub mod exhaustive;
mod goods;
pub mod limits;
mod names;
pub mod pace;
pub mod plan;
pub mod probes;
pub mod reduce;
mod server;
#[allow(clippy::disallowed_methods, reason = "runs are spread over the processors; each is on one thread")]
pub mod swarm;
pub mod trial;
mod watcher;
pub mod world;
