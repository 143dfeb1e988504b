//! G2, D1: the store after kills, lost syncs and refusals is what it was after some batch, and at least what it was at the last
//! flush that was answered.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod batches;
mod kill;
mod power;
mod refusals;
mod syscalls;
mod unsynced;
