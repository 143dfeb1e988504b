//! Named places in the programs at which a test can end or stop the process: between any two steps of a commit that a crash
//! can tell apart.
//!
//! A program that calls [`enable`] reads [`VARIABLE`]; in any other, such as an application that links the client, the places
//! do nothing, whatever its environment says. It costs one look at memory a place.
//!
//! ```text
//! HANDFAST_CRASH_AT=log-written             abort when the log has written something
//! HANDFAST_CRASH_AT=log-written/decide      ... that decides a transaction
//! HANDFAST_CRASH_AT=asking/commit#2=stop    stop (SIGSTOP) before a resource is told to commit for the second time
//! ```

mod armed;
mod point;

pub use armed::{EnableError, VARIABLE, enable};
pub use point::CrashPoint;

/// Whether there is a place at which this process ends: what is found out for its sake alone need not be found out otherwise.
pub fn is_armed() -> bool {
    armed::armed().is_some()
}

/// The process is here.
pub fn reach(point: CrashPoint) {
    if let Some(armed) = armed::armed() {
        armed.reach(point, None);
    }
}

/// The process is here, about things of these kinds. Places that do not know what they are about (those of the log) are then
/// taken to be about them too: `log-written/decide` is the first time that something is written after a decision was proposed.
pub fn reach_about<Kinds>(point: CrashPoint, kinds: impl FnOnce() -> Kinds)
where
    Kinds: IntoIterator<Item = &'static str>,
{
    if let Some(armed) = armed::armed() {
        armed.reach(point, Some(&kinds().into_iter().collect::<Vec<_>>()));
    }
}
