//! The program `handfast`.

use std::process::ExitCode;

fn main() -> ExitCode {
    handfast::cli::main()
}
