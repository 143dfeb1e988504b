//! PostgreSQL in both of its parts: as last resource with a marker row, and with PREPARE TRANSACTION (design D7).
//!
//! The application works on its own connection. What is here attaches, recovers, finishes and cleans up over the
//! coordinator's, so that recovery needs no application (D9).

mod address;
mod examination;
mod installation;
mod marker;
mod session;
mod sessions;
mod shared;
mod tables;
mod two_phase;

pub use address::{AddressRefused, PostgresAddress};
pub(super) use examination::examine;
pub(super) use installation::install;
pub(super) use marker::PostgresMarker;
pub(super) use two_phase::PostgresTwoPhase;
