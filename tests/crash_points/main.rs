//! The table of crash points (docs/testing.md) with the real programs and a real PostgreSQL: a process ends between two steps
//! of a commit, comes back, and everything has ended as it must, for everybody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod row;
mod table;
mod trial;
mod world;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use handfast_crash_points::CrashPoint;
use handfast_test_postgres::{Options, PostgresServer};

use crate::table::TABLE;
use crate::trial::try_row;

/// Most of a row is waiting.
const AT_A_TIME: usize = 6;

#[test]
fn every_crash_ends_as_it_must() {
    let (began, shared) = (Instant::now(), PostgresServer::start(Options::default()).unwrap());
    let rows = Mutex::new(TABLE.iter().enumerate());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((number, row)) = { rows.lock().unwrap().next() } {
                    let since = Instant::now();
                    match std::panic::catch_unwind(AssertUnwindSafe(|| try_row(number, row, &shared))) {
                        Ok(found) => println!("{row}: {found:?}, {:.1} s", since.elapsed().as_secs_f64()),
                        Err(_) => wrong.lock().unwrap().push(row.to_string()),
                    }
                }
            });
        }
    });
    println!("{} rows in {:.0} s", TABLE.len(), began.elapsed().as_secs_f64());
    assert!(wrong.lock().unwrap().is_empty(), "{:#?}", wrong.lock().unwrap());
}

#[test]
fn every_crash_point_is_in_the_table() {
    let met: BTreeSet<&str> = TABLE.iter().flat_map(row::Row::points).collect();
    let missing: Vec<&str> =
        CrashPoint::ALL.iter().map(|point| point.name()).filter(|name| !met.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
