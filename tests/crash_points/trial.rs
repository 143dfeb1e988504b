//! One row, from its beginning to what is found.

use std::thread::sleep;
use std::time::Duration;

use handfast_test_postgres::{Options, PostgresServer};
use rustix::process::Signal;

use crate::client::{self, Told};
use crate::harness::{Running, until, wait_for_stop};
use crate::row::{Ends, Meanwhile, Row, Who};
use crate::world::{Found, World};

/// For a transaction that is to end in time, and for one that is not.
const LONG_SECONDS: u64 = 30;
const SHORT_SECONDS: u64 = 2;

/// How it ended; it is as the row says, or this panics.
pub fn try_row(number: usize, row: &Row, shared: &PostgresServer) -> Ends {
    // Who kills it has one alone.
    let mut own =
        (row.meanwhile == Some(Meanwhile::PostgresDies)).then(|| PostgresServer::start(Options::default()).unwrap());
    let mut world = World::start(number, row, own.as_ref().unwrap_or(shared));
    let arms: Vec<_> = world.victims(row).map(|(server, at)| server.start_again_to_crash(at)).collect();
    if let (Some(at), true) = (row.at_stop, arms.is_empty()) {
        world.coordinator_mut().start_again_to_crash(at);
    }
    until("all is there again", || world.is_quiet());

    let client = start_client(&mut world, row);
    if let Some(meanwhile) = row.meanwhile {
        stand_still(&mut world, row, meanwhile, &client, own.as_mut());
    } else {
        for (server, _) in world.victims(row) {
            server.wait_for_crash();
            if row.again.is_empty() {
                server.start_again();
            }
        }
        die_again(&mut world, row);
    }
    let told = client::told(client);
    if row.at_stop.is_some() {
        world.signal_coordinator(Signal::TERM);
        world.coordinator_mut().wait_for_crash();
        world.coordinator_mut().start_again();
    }
    until("nothing is in doubt", || world.is_quiet());
    let postgres = own.as_ref().unwrap_or(shared);
    until("nothing is prepared", || world.prepared(postgres) == 0);
    judge(row, told, world.found(postgres))
}

/// A coordinator notices that a queue manager was away when it asks it for something: that transaction is rolled back, and the
/// next one comes to the crash point.
fn start_client(world: &mut World, row: &Row) -> Running {
    let seconds = if row.meanwhile == Some(Meanwhile::TimeRunsOut) { SHORT_SECONDS } else { LONG_SECONDS };
    let is_manager = |(who, _): &(Who, &str)| matches!(who, Who::North | Who::South);
    loop {
        let mut client = client::start(world, row.at(Who::Client), seconds);
        if !row.crashes.iter().any(is_manager) {
            return client;
        }
        until("somebody ends", || !client.is_running() || world.victims(row).any(|(server, _)| server.has_ended()));
        if world.victims(row).any(|(server, _)| server.has_ended()) {
            return client;
        }
        let told = client::told(client);
        assert!(
            matches!(told, Some(Told::RolledBack | Told::Failed)),
            "{row}: nobody died, and the client was told {told:?}"
        );
    }
}

fn die_again(world: &mut World, row: &Row) {
    for at in row.again {
        world.coordinator_mut().crash_at_start(at);
    }
    if !row.again.is_empty() {
        world.coordinator_mut().start_again();
    }
}

/// Waits until the one who is to stop has stopped, lets happen what is to happen, and lets it go on.
fn stand_still(
    world: &mut World,
    row: &Row,
    meanwhile: Meanwhile,
    client: &Running,
    postgres: Option<&mut PostgresServer>,
) {
    let is_client = row.at(Who::Client).is_some();
    if is_client {
        wait_for_stop(client.pid())
    } else {
        world.coordinator().wait_for_stop()
    }
    match meanwhile {
        Meanwhile::PostgresDies => {
            let postgres = postgres.expect("this row has one of its own");
            postgres.kill();
            postgres.restart().unwrap();
        }
        Meanwhile::CoordinatorDies => {
            world.coordinator_mut().kill();
            world.coordinator_mut().start_again();
            until("nothing is in doubt", || world.is_quiet());
        }
        Meanwhile::PatienceEnds => until("nothing is in doubt", || world.is_quiet()),
        Meanwhile::TimeRunsOut => sleep(Duration::from_secs(SHORT_SECONDS + 1)),
        // It was sent to be received within three.
        Meanwhile::OrderExpires => sleep(Duration::from_secs(4)),
    }
    if is_client { client.signal(Signal::CONT) } else { world.signal_coordinator(Signal::CONT) }
}

fn judge(row: &Row, told: Option<Told>, found: Found) -> Ends {
    let there = |count| found.rows.map(|_| count);
    let committed = Found { orders: 0, rows: there(1), shipments: 1 };
    let rolled_back = Found { orders: 1, rows: there(0), shipments: 0 };
    let ended = match found {
        found if found == committed => Ends::Committed,
        found if found == rolled_back => Ends::RolledBack,
        torn => panic!("{row}: {torn:?}, and the client was told {told:?}"),
    };
    assert!(row.ends == Ends::Either || row.ends == ended, "{row}: {ended:?}, and the client was told {told:?}");
    let truth = match told {
        None | Some(Told::Unknown) => ended,
        Some(Told::Committed) => Ends::Committed,
        Some(Told::RolledBack | Told::Failed) => Ends::RolledBack,
    };
    assert_eq!(truth, ended, "{row}: the client was told {told:?}");
    ended
}
