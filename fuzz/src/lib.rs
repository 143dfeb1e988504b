//! What is asserted of any bytes whatever: a function for each target, which panics when something is wrong.
//!
//! - libFuzzer calls it from `fuzz_targets/`, with bytes that it makes up from what the code does with them.
//! - `tests/replay.rs` calls it on any toolchain, with the kept inputs of `corpus/` and mutations of them from a fixed seed.
//!
//! What it is not: no test of what valid input means. That is with the code that reads it.

mod again;
mod draws;
pub mod import;
pub mod log_entry;
mod log_format;
pub mod log_recovery;
pub mod names;
pub mod schedule;
pub mod trigger;
pub mod wire;

/// A target by the name of its program and of its folder in `corpus/`.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub check: fn(&[u8]),
    /// Mutations of the kept inputs that the replay makes: about a second of them.
    pub mutations: u32,
}

pub const TARGETS: &[Target] = &[
    Target { name: "log_recovery", check: log_recovery::check, mutations: 10_000 },
    Target { name: "log_entry", check: log_entry::check, mutations: 100_000 },
    Target { name: "wire", check: wire::check, mutations: 100_000 },
    Target { name: "names", check: names::check, mutations: 100_000 },
    Target { name: "import", check: import::check, mutations: 20_000 },
    Target { name: "trigger", check: trigger::check, mutations: 20_000 },
    Target { name: "schedule", check: schedule::check, mutations: 500 },
];
