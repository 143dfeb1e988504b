//! The hot paths of the cores, the codec and the log, each in memory and without anything that waits: what a message costs of a
//! processor before the network, the store's files and the disk are added.
//!
//! `cargo bench -p handfast-benches` measures their time (a quiet machine, please); `tests/instructions.rs` counts their
//! instructions, which are the same on a busy one, and compares them with `instructions.toml`.

mod member;
mod path;

pub use path::Path;
