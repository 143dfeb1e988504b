//! Whoever implements the gRPC service ResourceManager, as a participant (design D7). It is asked to prepare as well: no
//! client does that for it.

mod connection;
mod driver;
mod examination;

pub(super) use driver::Service;
pub(super) use examination::{examine, install};
