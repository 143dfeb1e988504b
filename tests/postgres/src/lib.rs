//! A private PostgreSQL for tests: Debian's binaries, a temporary directory, a free port on loopback, started in about a
//! second and killed as hard as a test wants. For tests only; nothing that ships links it.
//!
//! ```no_run
//! use handfast_test_postgres::{Options, PostgresServer};
//!
//! let mut server = PostgresServer::start(Options::default())?;
//! let url = server.url(); // connect, work
//! server.kill(); // every process of it, as `kill -9` does
//! server.restart()?; // the same directory and the same port: it recovers from its log
//! # Ok::<(), handfast_test_postgres::PostgresError>(())
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
