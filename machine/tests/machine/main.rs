//! The machine as its shell drives it: requests in, log entries out and back, resources answered by the test.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod codec;
mod combined;
mod conditions;
mod epochs;
mod foreign;
mod marker;
mod one_log;
mod world;
