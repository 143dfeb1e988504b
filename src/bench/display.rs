//! How far a benchmark is, on standard error when that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use super::limits::DISPLAY_EVERY;

/// Shown while it lives, cleared when it is dropped.
#[derive(Debug)]
pub struct Display {
    bar: ProgressBar,
}

impl Display {
    pub fn start() -> Display {
        if !std::io::stderr().is_terminal() {
            return Display { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.enable_steady_tick(DISPLAY_EVERY);
        Display { bar }
    }

    pub fn say(&self, what: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(what());
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
