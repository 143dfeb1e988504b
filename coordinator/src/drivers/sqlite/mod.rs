//! SQLite as last resource: its local commit with a marker row is the decision (P11). The file lies on this host (P15).

mod database_file;
mod examination;
mod installation;
mod marker;
mod tables;

pub(super) use examination::examine;
pub(super) use installation::install;
pub(super) use marker::SqliteMarker;
