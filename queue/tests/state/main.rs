//! The durable state against a naive model, its refusals, and the rules that bind it.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod model;
mod model_work;
mod ops;
mod random;
mod refusals;
mod rules;
mod rules_bounds;
mod world;
