//! `handfast completions`: scripts for shells, made from the command tree.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, CommandError, Ended};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  handfast completions bash > ~/.local/share/bash-completion/completions/handfast
  handfast completions fish > ~/.config/fish/completions/handfast.fish")]
pub struct Args {
    shell: KnownShell,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum KnownShell {
    Bash,
    Zsh,
    Fish,
}

impl Args {
    pub fn run(&self) -> Result<Ended, CommandError> {
        let shell = match self.shell {
            KnownShell::Bash => Shell::Bash,
            KnownShell::Zsh => Shell::Zsh,
            KnownShell::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "handfast", &mut script);
        io::stdout().write_all(&script)?;
        io::stdout().flush()?;
        Ok(Ended::Done)
    }
}
