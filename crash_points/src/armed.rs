//! The one place at which this process is to end, if there is one.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

use crate::CrashPoint;

/// `POINT[/KIND][#TIMES][=stop]`.
pub const VARIABLE: &str = "HANDFAST_CRASH_AT";

/// A signal to a process is taken by one of its threads; a sleeping one wakes for it at once.
const TAKEN_WITHIN: Duration = Duration::from_millis(200);

static ARMED: OnceLock<Armed> = OnceLock::new();

#[derive(Debug)]
pub(crate) struct Armed {
    point: CrashPoint,
    kind: Option<String>,
    deed: Deed,
    /// How often it is still to be passed, this time included.
    left: AtomicU32,
    /// Something of the kind was met.
    met: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Abort,
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnableError {
    #[error("{VARIABLE}={said}: there is no crash point {point}; see them with: handfast crash-points")]
    Point { said: String, point: String },
    #[error("{VARIABLE}={said}: it is not of the form POINT[/KIND][#TIMES][=stop]")]
    Form { said: String },
}

/// Reads [`VARIABLE`]. For the first lines of a program; a second call changes nothing.
pub fn enable() -> Result<(), EnableError> {
    let Some(said) = std::env::var_os(VARIABLE) else { return Ok(()) };
    let armed: Armed = said.to_string_lossy().parse()?;
    // It is set already only when this was called before.
    ARMED.set(armed).ok();
    Ok(())
}

pub(crate) fn armed() -> Option<&'static Armed> {
    ARMED.get()
}

impl Armed {
    pub fn reach(&self, point: CrashPoint, kinds: Option<&[&str]>) {
        if self.is_due(point, kinds) {
            self.act();
        }
    }

    fn is_due(&self, point: CrashPoint, kinds: Option<&[&str]>) -> bool {
        let is_kind = match (&self.kind, kinds) {
            (None, _) => true,
            (Some(kind), Some(kinds)) => kinds.contains(&kind.as_str()),
            (Some(_), None) => self.met.load(Ordering::Relaxed),
        };
        if !is_kind {
            return false;
        }
        self.met.store(true, Ordering::Relaxed);
        let count_down = |left: u32| left.checked_sub(1);
        point == self.point && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count_down) == Ok(1)
    }

    fn act(&self) {
        eprintln!("crash point {} reached", self.point.name());
        match self.deed {
            Deed::Abort => std::process::abort(),
            Deed::Stop => {
                // Another process sends SIGCONT.
                kill_process(getpid(), Signal::STOP).expect("a process may signal itself");
                // Another thread may be the one to take the signal: until it has, this one must not go on.
                thread::sleep(TAKEN_WITHIN);
            }
        }
    }
}

impl FromStr for Armed {
    type Err = EnableError;

    fn from_str(said: &str) -> Result<Armed, EnableError> {
        let form = || EnableError::Form { said: said.to_owned() };
        let (rest, deed) = match said.split_once('=') {
            None => (said, Deed::Abort),
            Some((rest, "stop")) => (rest, Deed::Stop),
            Some(_) => return Err(form()),
        };
        let (rest, times) = match rest.split_once('#') {
            None => (rest, 1),
            Some((rest, times)) => (rest, times.parse().ok().filter(|&times| times > 0).ok_or_else(form)?),
        };
        let (name, kind) = match rest.split_once('/') {
            None => (rest, None),
            Some((_, "")) => return Err(form()),
            Some((name, kind)) => (name, Some(kind.to_owned())),
        };
        let unknown = || EnableError::Point { said: said.to_owned(), point: name.to_owned() };
        let point = CrashPoint::named(name).ok_or_else(unknown)?;
        Ok(Armed { point, kind, deed, left: AtomicU32::new(times), met: AtomicBool::new(false) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told() {
        let table = [
            ("", "HANDFAST_CRASH_AT=: there is no crash point ; see them with: handfast crash-points"),
            (
                "nowhere",
                "HANDFAST_CRASH_AT=nowhere: there is no crash point nowhere; see them with: handfast crash-points",
            ),
            ("told=go", "HANDFAST_CRASH_AT=told=go: it is not of the form POINT[/KIND][#TIMES][=stop]"),
            ("told#0", "HANDFAST_CRASH_AT=told#0: it is not of the form POINT[/KIND][#TIMES][=stop]"),
            ("told/", "HANDFAST_CRASH_AT=told/: it is not of the form POINT[/KIND][#TIMES][=stop]"),
        ];
        for (said, error) in table {
            assert_eq!(said.parse::<Armed>().unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn a_place_is_due_once_at_its_time_and_for_its_kind() {
        use CrashPoint::{Asking, LogWritten, Told};
        let due = |said: &str, passed: &[(CrashPoint, Option<&[&str]>)]| -> Vec<bool> {
            let armed: Armed = said.parse().unwrap();
            passed.iter().map(|(point, kinds)| armed.is_due(*point, *kinds)).collect()
        };
        let commit: Option<&[&str]> = Some(&["prepare", "commit"]);
        let other: Option<&[&str]> = Some(&["prepare"]);
        assert_eq!(due("told", &[(Asking, None), (Told, None), (Told, other)]), [false, true, false]);
        assert_eq!(due("told#2", &[(Told, None), (Told, None), (Told, None)]), [false, true, false]);
        assert_eq!(due("told/commit", &[(Told, other), (Told, commit)]), [false, true]);
        // The log does not know what it writes: it is about what was proposed before.
        let log = [(LogWritten, None), (Asking, other), (LogWritten, None), (Asking, commit), (LogWritten, None)];
        assert_eq!(due("log-written/commit", &log), [false, false, false, false, true]);
    }

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let mut names: Vec<&str> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert!(names.iter().all(|name| CrashPoint::named(name).is_some()));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CrashPoint::ALL.len());
    }
}
