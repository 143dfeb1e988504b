//! The queue manager's shell: what the pure cores need from the world, and what users see of them.

pub mod server;
pub mod store;
