//! The manager over the real state and a store in memory: scenarios as data, a model test, and what is bounded.

mod bounds;
mod model;
mod scenarios;
mod script;
mod show;
mod world;
