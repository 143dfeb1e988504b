//! The log against a model, over a simulated disk that crashes, lies and fails in every way it
//! knows, and over a real one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod by_hand;
mod corruption;
mod crash;
mod faults;
mod gated_disk;
mod in_place;
mod model;
mod power;
mod real_disk;
mod rewrite;
mod script;
mod segments;
mod simulated_disk;
mod syscalls;
mod workload;
mod writer;
