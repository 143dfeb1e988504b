//! The ways in which the main job's transaction commits (design D7, D8).

use handfast_protocol::ResourceKind;

use super::word::{Word, Worded};

/// See docs/protocol.md, "Ways to commit".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Queues of one queue manager, no database.
    Local,
    /// A PostgreSQL database decides as last resource.
    MarkerPostgres,
    /// A SQLite file on the server's host decides as last resource.
    MarkerSqlite,
    /// A PostgreSQL database that prepares; the decision and the queues' work are one entry.
    TwoPhase,
    /// A coordinator of its own: the queue manager is a participant, a PostgreSQL database decides.
    StandaloneMarker,
    /// A coordinator of its own: the queue manager and a PostgreSQL database both prepare.
    StandaloneTwoPhase,
}

impl Way {
    pub fn database(self) -> Option<ResourceKind> {
        match self {
            Way::Local => None,
            Way::MarkerPostgres | Way::StandaloneMarker => Some(ResourceKind::PostgresMarker),
            Way::MarkerSqlite => Some(ResourceKind::SqliteMarker),
            Way::TwoPhase | Way::StandaloneTwoPhase => Some(ResourceKind::PostgresTwoPhase),
        }
    }

    /// The coordinator is a server of its own, and the queue manager one of its resources.
    pub fn is_standalone(self) -> bool {
        match self {
            Way::StandaloneMarker | Way::StandaloneTwoPhase => true,
            Way::Local | Way::MarkerPostgres | Way::MarkerSqlite | Way::TwoPhase => false,
        }
    }
}

impl Worded for Way {
    const WORDS: &'static [Word<Way>] = &[
        ("local", Way::Local),
        ("marker-postgres", Way::MarkerPostgres),
        ("marker-sqlite", Way::MarkerSqlite),
        ("two-phase", Way::TwoPhase),
        ("standalone-marker", Way::StandaloneMarker),
        ("standalone-two-phase", Way::StandaloneTwoPhase),
    ];
}
