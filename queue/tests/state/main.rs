//! The durable state against a naive model, its refusals, and the rules that bind it.

mod model;
mod model_work;
mod ops;
mod random;
mod refusals;
mod rules;
mod rules_bounds;
mod world;
