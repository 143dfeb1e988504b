//! The transaction manager's shell: what stands between the pure core (`handfast-coordinator-core`) and the world.
//!
//! [`drivers`] asks databases and services what the core wants to know. Nothing here decides an outcome.

pub mod drivers;
