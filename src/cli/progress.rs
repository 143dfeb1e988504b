//! How far long work has come, on standard error when that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

const TOWARDS_AN_END: &str = "{bar:30} {percent:>3}%  {msg}  {elapsed}";
const WITHOUT_AN_END: &str = "{spinner} {bytes}  {msg}  {elapsed}";

/// Shown while it lives, cleared when it is dropped.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of an input of so many bytes, or of one whose end nobody knows.
    pub fn of_bytes(total: Option<u64>) -> Progress {
        match total {
            Some(total) => Progress::shown(|| ProgressBar::new(total), TOWARDS_AN_END),
            None => Progress::shown(ProgressBar::no_length, WITHOUT_AN_END),
        }
    }

    /// Of so many messages.
    pub fn of_messages(total: u64) -> Progress {
        Progress::shown(|| ProgressBar::new(total), TOWARDS_AN_END)
    }

    fn shown(bar: impl FnOnce() -> ProgressBar, template: &str) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
        Progress { bar: bar().with_style(style) }
    }

    /// Nobody sees it: what is asked for its sake alone need not be asked.
    pub fn is_hidden(&self) -> bool {
        self.bar.is_hidden()
    }

    /// So far on the way, and what else there is to tell of it.
    pub fn tell(&self, position: u64, what: String) {
        self.bar.set_position(position);
        self.bar.set_message(what);
    }

    /// So far on the way, with so many messages done.
    pub fn update(&self, position: u64, messages: u64) {
        self.bar.set_position(position);
        if !self.is_hidden() {
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
        for progress in [Progress::of_bytes(Some(10)), Progress::of_bytes(None), Progress::of_messages(10)] {
            progress.update(5, 1);
        }
        for template in [TOWARDS_AN_END, WITHOUT_AN_END] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
