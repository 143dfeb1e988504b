//! A replica of one, from the outside.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod crashes;
mod life;
mod recorder;
