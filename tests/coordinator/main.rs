//! A coordinator alone, with queue managers and databases as its participants: the real programs, killed by their ids.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../harness/session.rs"]
mod session;

mod copies;
mod kills;
mod participant;
mod ways;
mod world;
