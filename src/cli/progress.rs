//! How far long work has come, on standard error when that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Shown while it lives, cleared when it is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of an input of so many bytes, or of one whose end nobody knows.
    pub fn of_bytes(total: Option<u64>) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden() };
        }
        let (bar, template) = match total {
            Some(total) => (ProgressBar::new(total), "{bar:30} {percent:>3}%  {msg}  {elapsed}"),
            None => (ProgressBar::no_length(), "{spinner} {bytes}  {msg}  {elapsed}"),
        };
        let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
        Progress { bar: bar.with_style(style) }
    }

    pub fn update(&self, bytes: u64, messages: u64) {
        self.bar.set_position(bytes);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{messages} messages"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles_are_well_formed() {
        for total in [Some(10), None] {
            Progress::of_bytes(total).update(5, 1);
        }
        for template in ["{bar:30} {percent:>3}%  {msg}  {elapsed}", "{spinner} {bytes}  {msg}  {elapsed}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
