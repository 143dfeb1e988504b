//! The simulated world: the real cores and the real log over simulated disks, databases, clients and messages, and a checker
//! that judges what came of it. One plan, one run, on one thread: no clock, no randomness but the plan's seed.
//!
//! - [`plan`]: what a run is told. Its text is all that is needed to run it again: a failed run prints it, and
//!   `cargo run -p handfast-simulation -- PLAN` tells that run step by step.
//! - [`world`]: the run.
//! - [`checker`]: what must hold of its history and its audit.
//! - [`exhaustive`]: every single crash of a scene.

pub mod checker;
mod client;
mod database;
pub mod exhaustive;
pub mod history;
pub mod limits;
mod names;
pub mod plan;
pub mod probes;
mod server;
pub mod swarm;
pub mod trial;
pub mod world;
