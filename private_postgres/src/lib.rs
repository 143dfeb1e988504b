//! A private PostgreSQL, for tests and comparisons: the system's binaries, a temporary directory, a free port on loopback,
//! started in about a second and killed as hard as a test wants. Never for anything that is to be kept.
//!
//! ```no_run
//! use handfast_private_postgres::{Options, PostgresServer};
//!
//! let mut server = PostgresServer::start(Options::default())?;
//! let url = server.url(); // connect, work
//! server.kill(); // every process of it, as `kill -9` does
//! server.restart()?; // the same directory and the same port: it recovers from its log
//! # Ok::<(), handfast_private_postgres::PostgresError>(())
//! ```
//!
//! As root it runs as the user `postgres`, else `nobody`, since PostgreSQL refuses to run as root.

mod account;
mod binaries;
mod cluster;
mod error;
mod limits;
mod orphan_guard;
mod postmaster;
mod server;

pub use error::PostgresError;
pub use server::{Options, PostgresServer};
