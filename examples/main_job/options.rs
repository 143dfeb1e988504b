//! What is run, on what, and how roughly.

use std::path::PathBuf;

/// The column that the demo's own table adds to those of the file; the messages have it too.
pub const LINE: &str = "handfast_line";

#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "demo",
    version,
    about = "\
Sends each row of an orders file through a queue into a database and on to another queue, kills everything on the way, and \
audits the end"
)]
#[command(after_help = "\
Without --statement the demo makes a table of the file's columns. For your own tables, give all three:
  --create 'create table sale (line bigint, total numeric)'
  --statement 'insert into sale (line, total) values (:handfast_line, :total)'
  --audit 'select line, total from sale order by line'
:name is a column of the file, :handfast_line the line on which the row begins. --audit gives the lines in the order in which \
they were written, and the value of the --sum column.")]
pub struct Options {
    /// The orders: CSV with a header [default: a sample of --rows rows]
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Rows of the sample, when there is no --csv
    #[arg(long, value_name = "N", default_value_t = 1_000, conflicts_with = "csv")]
    pub rows: u64,
    /// Use PostgreSQL in place of SQLite: a private server, started for it, unless a URL is given
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    pub postgres: Option<Option<String>>,
    /// Commit PostgreSQL by PREPARE TRANSACTION in place of the marker row
    #[arg(long, requires = "postgres")]
    pub two_phase: bool,
    /// The column that is added up, in exact decimals [default: amount, if there is one]
    #[arg(long, value_name = "COLUMN")]
    pub sum: Option<String>,
    /// SQL run once before the first row; may be repeated
    #[arg(long, value_name = "SQL", requires = "statement")]
    pub create: Vec<String>,
    /// SQL for each row, in place of an insert into a table of the file's columns; may be repeated
    #[arg(long, value_name = "SQL", requires = "audit")]
    pub statement: Vec<String>,
    /// SQL that gives the line of each row that was written, in order, and the value to be added up
    #[arg(long, value_name = "SQL", requires = "statement")]
    pub audit: Option<String>,
    /// How many times something is killed, spread over the run
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub kills: u32,
    /// Go on killing until this many seconds are over, as long as there is work
    #[arg(long, value_name = "SECONDS", conflicts_with = "kills")]
    pub kill_for: Option<u64>,
    /// Chooses what is killed and when [default: drawn, and printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Keep everything (data, database, logs) in this new directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// The handfast program [default: the one that was built with this]
    #[arg(long, value_name = "FILE")]
    pub handfast: Option<PathBuf>,
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}
