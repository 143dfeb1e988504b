//! The command line as its users meet it: the real program, a real server, whole outputs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../harness/session.rs"]
mod session;

mod dead_letter;
mod import;
mod messages;
mod queue;
mod resource;
mod serve;
mod transaction;
mod usage;
