//! The queue manager's shell: what the pure cores need from the world, and what users see of them.

pub mod bench;
pub mod cli;
pub mod import;
pub mod server;
pub mod store;
pub mod trigger;
