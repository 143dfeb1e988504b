//! What is run, on what, and how roughly.

use std::path::PathBuf;

/// A crash test as its user wants it.
#[derive(Debug, Clone)]
pub struct Settings {
    pub work: Work,
    pub database: DatabaseChoice,
    /// PostgreSQL commits by PREPARE TRANSACTION in place of the marker row.
    pub two_phase: bool,
    /// Messages at a time; one keeps strict order, which is judged.
    pub workers: u16,
    pub kills: u32,
    /// Chooses what is killed and when.
    pub seed: u64,
    /// A shell command that crashes the database and starts it again; without one it is left alone.
    pub crash_database: Option<String>,
    /// The handfast program.
    pub program: PathBuf,
    /// Everything is kept here: it is empty, or is not there yet.
    pub directory: PathBuf,
}

/// A seed for whoever has none: short enough to be typed.
pub fn draw_seed() -> u64 {
    fastrand::u64(..1_000_000)
}

/// What is done with which messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Orders that are made up go through a database to a next queue.
    BuiltIn,
    /// The user's own trigger file, and the CSV file whose rows become the messages of its queue.
    Own { trigger: PathBuf, csv: PathBuf },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseChoice {
    /// Made in the directory of the run, unless it is the user's.
    Sqlite {
        path: Option<PathBuf>,
    },
    Postgres {
        url: String,
    },
}
