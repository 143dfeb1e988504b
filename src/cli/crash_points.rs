//! `handfast crash-points`, and the variable by which one of them is asked for.

use std::io::Write;
use std::process::ExitCode;

use handfast_crash_points::CrashPoint;
use serde::Serialize;

use super::output::print_list;
use super::{CommandError, Ended, Options};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
HANDFAST_CRASH_AT=POINT[/KIND][#TIMES][=stop] in the environment of handfast or handfast-coordinator ends that process (or \
stops it, with =stop) when it comes there, for the TIMESth time, about something of that KIND: a command of the log's \
entries, such as decide, or a question to a resource, such as commit.

Examples:
  handfast crash-points
  HANDFAST_CRASH_AT=log-written/decide handfast serve --data ./data")]
pub struct Args {}

#[derive(Serialize)]
struct Point {
    name: &'static str,
    place: &'static str,
}

impl Args {
    pub fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let points = CrashPoint::ALL.map(|point| Point { name: point.name(), place: point.place() });
        print_list(options.output, &points, &["name", "place"])?;
        Ok(Ended::Done)
    }
}

/// For the first lines of a program. A variable that cannot be read is wrong usage.
pub fn enable() -> Result<(), ExitCode> {
    handfast_crash_points::enable().map_err(|error| {
        // Without a standard error there is nobody to tell.
        writeln!(std::io::stderr(), "error: {error}").ok();
        ExitCode::from(2)
    })
}
