//! The tables of crash points (docs/crash-points.md) with the real programs and a real PostgreSQL: a process ends between two steps
//! of a commit, comes back, and everything has ended as it must, for everybody.
//!
//! `HANDFAST_ROWS=13,M16` runs the rows that stand for these numbers alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod damage;
mod meanwhile;
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
use handfast_private_postgres::{Options, PostgresServer};

use crate::table::{ELSEWHERE, SIMULATED, TABLE};
use crate::trial::try_row;

/// Most of a row is waiting.
const AT_A_TIME: usize = 6;

#[test]
fn every_crash_ends_as_it_must() {
    let (began, shared) = (Instant::now(), PostgresServer::start(Options::default()).unwrap());
    let wanted = std::env::var("HANDFAST_ROWS").ok();
    let is_wanted = |row: &row::Row| {
        wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|number| row.numbers().any(|other| other == number)))
    };
    let rows: Vec<_> = TABLE.iter().enumerate().filter(|(_, row)| is_wanted(row)).collect();
    let count = rows.len();
    let rows = Mutex::new(rows.into_iter());
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
    println!("{count} rows in {:.0} s", began.elapsed().as_secs_f64());
    assert!(wrong.lock().unwrap().is_empty(), "{:#?}", wrong.lock().unwrap());
}

#[test]
fn every_crash_point_is_in_the_table() {
    let met: BTreeSet<&str> = TABLE.iter().flat_map(row::Row::points).collect();
    let missing: Vec<&str> =
        CrashPoint::ALL.iter().map(|point| point.name()).filter(|name| !met.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Crash points of a commit in two phases, and of one by marker.
const NUMBERS: (u32, u32) = (52, 16);

#[test]
fn every_number_is_shown_with_real_processes_or_said_not_to_be() {
    let elsewhere = ELSEWHERE.iter().map(|(number, ..)| *number);
    let others = elsewhere.chain(SIMULATED.iter().map(|(number, _)| *number));
    let shown: BTreeSet<&str> = TABLE.iter().flat_map(row::Row::numbers).chain(others).collect();
    let (two_phase, marker) = NUMBERS;
    let all = (1..=two_phase).map(|number| number.to_string()).chain((1..=marker).map(|number| format!("M{number}")));
    let all: BTreeSet<String> = all.collect();
    assert_eq!(shown, all.iter().map(String::as_str).collect::<BTreeSet<&str>>());
    for (number, file, test) in ELSEWHERE {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}()")), "{number}: {file} has no test {test}");
    }
}
