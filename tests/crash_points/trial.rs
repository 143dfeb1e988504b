//! One row, from its beginning to what is found.

use handfast_private_postgres::{Options, PostgresServer};
use rustix::process::Signal;

use crate::client::{self, Told};
use crate::damage;
use crate::harness::{Running, until};
use crate::meanwhile::{Postgres, die_inside, stand_still, wait_for_standby};
use crate::row::{Damage, Ends, Meanwhile, Row, Scene, Who};
use crate::world::{Found, World};

/// For a transaction that is to end in time, and for one that is not.
const LONG_SECONDS: u64 = 30;
pub const SHORT_SECONDS: u64 = 2;

/// How it ended; it is as the row says, or this panics.
pub fn try_row(number: usize, row: &Row, shared: &PostgresServer) -> Ends {
    let mut postgres = match row.has_own_postgres() {
        true => Postgres::Own(Box::new(PostgresServer::start(Options::default()).unwrap())),
        false => Postgres::Shared(shared),
    };
    let mut world = World::start(number, row, postgres.server());
    if row.meanwhile == Some(Meanwhile::PostgresRestored) {
        postgres.own().back_up().unwrap();
    }
    let arms: Vec<_> = world.victims(row).map(|(server, at)| server.start_again_to_crash(at)).collect();
    if let (Some(at), true) = (row.at_stop, arms.is_empty()) {
        world.coordinator_mut().start_again_to_crash(at);
    }
    until("all is there again", || world.is_quiet());

    if let Scene::Inside(_) = row.scene {
        wait_for_standby(&postgres, true);
    }
    let mut client = Some(start_client(&mut world, row));
    if let Scene::Inside(dies) = row.scene {
        client = die_inside(&world, dies, client.take().unwrap(), &mut postgres);
    } else if row.meanwhile.is_some() {
        stand_still(&mut world, row, client.as_ref().unwrap(), &mut postgres);
    } else {
        die(&mut world, row);
    }
    let told = client.and_then(client::told);
    if row.at_stop.is_some() {
        world.signal_coordinator(Signal::TERM);
        world.coordinator_mut().wait_for_crash();
        world.coordinator_mut().start_again();
    }
    if row.ends == Ends::Heuristic {
        world.forget_heuristic();
    }
    until("nothing is in doubt", || world.is_quiet());
    until("nothing is prepared", || world.prepared(postgres.server()) == 0);
    judge(row, told, world.found(postgres.server()))
}

/// Those who come to a crash point end there, one after the other, and come back.
fn die(world: &mut World, row: &Row) {
    for who in [Who::Coordinator, Who::North, Who::South] {
        if row.at(who).is_none() {
            continue;
        }
        world.server_mut(who).wait_for_crash();
        if row.long_away {
            world.assert_others_go_on();
        }
        let server = world.server_mut(who);
        match row.damage {
            Some(Damage::TornEnd) => damage::tear_end(&server.data()),
            Some(Damage::Flip) => damage::flip(server),
            None => {}
        }
        if row.again.is_empty() {
            server.start_again();
        }
    }
    for at in row.again {
        world.coordinator_mut().crash_at_start(at);
    }
    if !row.again.is_empty() {
        world.coordinator_mut().start_again();
    }
}

/// A coordinator notices that a queue manager was away when it asks it for something: that transaction is rolled back, and the
/// next one comes to the crash point.
fn start_client(world: &mut World, row: &Row) -> Running {
    let seconds = if row.meanwhile == Some(Meanwhile::TimeRunsOut) { SHORT_SECONDS } else { LONG_SECONDS };
    let is_manager = |(who, _): &(Who, &str)| matches!(who, Who::North | Who::South);
    loop {
        let mut client = client::start(world, row, row.at(Who::Client), seconds);
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

fn judge(row: &Row, told: Option<Told>, found: Found) -> Ends {
    let there = |count| found.rows.map(|_| count);
    let sent = usize::from(row.scene != Scene::SendsNothing);
    let committed = Found { orders: 0, rows: there(1), shipments: sent, dead_letters: 0 };
    let rolled_back = Found { orders: 1, rows: there(0), shipments: 0, dead_letters: 0 };
    let ends = match found {
        found if found == committed => Ends::Committed,
        found if found == rolled_back => Ends::RolledBack,
        found if found == Found { rows: there(0), ..committed } => Ends::Heuristic,
        found if found == Found { orders: 0, dead_letters: 1, ..rolled_back } => Ends::DeadLetter,
        torn => panic!("{row}: {torn:?}, and the client was told {told:?}"),
    };
    let is_one_of_two = matches!(ends, Ends::Committed | Ends::RolledBack);
    let fits = row.ends == ends || row.ends == Ends::Either && is_one_of_two;
    assert!(fits, "{row}: {ends:?}, and the client was told {told:?}");
    let is_true = match told {
        None | Some(Told::Unknown) => true,
        Some(Told::Committed) => matches!(ends, Ends::Committed | Ends::Heuristic),
        Some(Told::RolledBack | Told::Failed) => matches!(ends, Ends::RolledBack | Ends::DeadLetter),
        Some(Told::Heuristic) => ends == Ends::Heuristic,
    };
    assert!(is_true, "{row}: {ends:?}, and the client was told {told:?}");
    let dies = row.at(Who::Client).is_some_and(|at| !at.ends_with("=stop"));
    assert!(!dies || told.is_none(), "{row}: the client was to die, and was told {told:?}");
    ends
}
