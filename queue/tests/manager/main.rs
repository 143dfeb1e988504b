//! The manager over the real state and a store in memory: scenarios as data, a model test, and what is bounded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bounds;
mod model;
mod ops;
mod scenarios;
mod script;
mod show;
mod world;
