//! What happens while somebody stands still at a crash point.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use handfast_private_postgres::{Options, PostgresServer};
use rustix::process::Signal;

use crate::harness::{Running, until, wait_for_stop};
use crate::row::{Dies, Meanwhile, Row, Who};
use crate::trial::SHORT_SECONDS;
use crate::world::World;

/// The coordinator looks for branches every 2 s, and takes those for nobody's that are 5 s old.
const SWEEPS: Duration = Duration::from_secs(9);

/// Waits until the one who is to stop has stopped, lets happen what is to happen, and lets it go on.
pub fn stand_still(world: &mut World, row: &Row, client: &Running, postgres: &mut Postgres<'_>) {
    let Some(meanwhile) = row.meanwhile else { return };
    let is_client = row.at(Who::Client).is_some();
    if is_client {
        wait_for_stop(client.pid())
    } else {
        world.coordinator().wait_for_stop()
    }
    happen(world, meanwhile, postgres);
    match meanwhile {
        Meanwhile::SyncFails => {}
        _ if is_client => client.signal(Signal::CONT),
        _ => world.signal_coordinator(Signal::CONT),
    }
}

fn happen(world: &mut World, meanwhile: Meanwhile, postgres: &mut Postgres<'_>) {
    match meanwhile {
        Meanwhile::PostgresDies => postgres.own().restart().unwrap(),
        Meanwhile::PostgresRestored => postgres.own().restore().unwrap(),
        Meanwhile::CoordinatorDies => {
            world.coordinator_mut().kill();
            world.coordinator_mut().start_again();
            until("nothing is in doubt", || world.is_quiet());
        }
        Meanwhile::PatienceEnds => until("nothing is in doubt", || world.is_quiet()),
        Meanwhile::TimeRunsOut => sleep(Duration::from_secs(SHORT_SECONDS + 1)),
        // It was sent to be received within three.
        Meanwhile::OrderExpires => sleep(Duration::from_secs(4)),
        Meanwhile::SweepsPass => sleep(SWEEPS),
        Meanwhile::QueuePurged => world.purge_orders(),
        Meanwhile::SlotsTaken => {
            let others = 0..Options::default().max_prepared_transactions;
            let others: Vec<String> =
                others.map(|other| format!("begin; prepare transaction 'other {other}'")).collect();
            postgres.server().psql(&others.join("; ")).unwrap();
        }
        Meanwhile::BranchRolledBack => {
            let branch = world.prepared_branch(postgres.server());
            postgres.server().psql(&format!("rollback prepared '{branch}'")).unwrap();
        }
        Meanwhile::SyncFails => {
            let pid = world.coordinator().pid();
            let mut tracer = fail_next_sync(pid);
            world.signal_coordinator(Signal::CONT);
            world.coordinator_mut().wait_for_failure();
            tracer.wait().unwrap();
            world.coordinator_mut().start_again();
        }
    }
}

/// strace, when it has hold of all threads of the process.
fn fail_next_sync(pid: u32) -> std::process::Child {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1", "-p"]);
    let tracer = command.arg(pid.to_string()).stderr(Stdio::null()).spawn().unwrap();
    until("strace has hold of it", || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.all(|thread| {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            !status.contains("TracerPid:\t0\n")
        })
    });
    tracer
}

/// Whether whatever PostgreSQL flushes is kept back until a standby has it, and there is none.
pub fn wait_for_standby(postgres: &Postgres<'_>, waits: bool) {
    let standby = if waits { "nobody" } else { "" };
    postgres.server().psql(&format!("alter system set synchronous_standby_names = '{standby}'")).unwrap();
    postgres.server().psql("select pg_reload_conf()").unwrap();
    until("PostgreSQL knows", || postgres.server().psql("show synchronous_standby_names").unwrap() == standby);
}

/// Whoever is to die does so while the client's PREPARE or COMMIT is flushed, and not over.
pub fn die_inside(world: &World, dies: Dies, client: Running, postgres: &mut Postgres<'_>) -> Option<Running> {
    let waiting = format!(
        "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'handfast {}'",
        world.table
    );
    until("the database waits for its standby", || postgres.server().psql(&waiting).unwrap() == "1");
    let client = match dies {
        Dies::Client => {
            client.kill();
            sleep(SWEEPS);
            assert_eq!(postgres.server().psql(&waiting).unwrap(), "1", "its client is gone, and it goes on");
            None
        }
        Dies::Postgres => {
            postgres.own().restart().unwrap();
            Some(client)
        }
    };
    wait_for_standby(postgres, false);
    client
}

/// The one that rows share, or one of the row's own, which may die.
pub enum Postgres<'a> {
    Shared(&'a PostgresServer),
    Own(Box<PostgresServer>),
}

impl Postgres<'_> {
    pub fn server(&self) -> &PostgresServer {
        match self {
            Postgres::Shared(server) => server,
            Postgres::Own(server) => server,
        }
    }

    pub fn own(&mut self) -> &mut PostgresServer {
        match self {
            Postgres::Own(server) => server,
            Postgres::Shared(_) => panic!("other rows use it"),
        }
    }
}
