//! The program `handfast-coordinator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    handfast::cli::coordinator::main()
}
