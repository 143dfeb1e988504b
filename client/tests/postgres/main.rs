//! Transactions with a real PostgreSQL, against a coordinator whose answers are written down.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod joining;
mod marker;
#[path = "../scripted/mod.rs"]
mod scripted;
mod statements;
mod two_phase;
mod world;
