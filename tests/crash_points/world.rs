//! The servers and the database of one row.

use handfast_private_postgres::PostgresServer;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Server, until};
use crate::row::{Meanwhile, Row, Scene, Way, Who};

pub struct World {
    pub way: Way,
    /// Of the rows at PostgreSQL, and of the database among the coordinator's resources: no two rows of the table share it.
    pub table: String,
    /// The coordinator first; it may be the only one.
    servers: Vec<(Who, Server)>,
}

/// How often each thing is there, when all is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub orders: usize,
    /// `None` without a database.
    pub rows: Option<usize>,
    pub shipments: usize,
    pub dead_letters: usize,
}

impl World {
    /// Everything is there, and one order waits.
    pub fn start(number: usize, row: &Row, postgres: &PostgresServer) -> World {
        let is_standalone = matches!(row.way, Way::StandaloneMarker | Way::StandaloneTwoPhase);
        let servers = if is_standalone {
            let coordinator = (Who::Coordinator, Server::start_coordinator());
            vec![coordinator, (Who::North, Server::start()), (Who::South, Server::start())]
        } else {
            vec![(Who::Coordinator, Server::start())]
        };
        let world = World { way: row.way, table: format!("rows_{number}"), servers };
        let attempts: &[&str] = if row.scene == Scene::GivesUp { &["--max-attempts", "1"] } else { &[] };
        world.north().run(&[&["queue", "create", "orders"], attempts].concat()).ok();
        world.south().run(&["queue", "create", "shipments"]).ok();
        if is_standalone {
            for (name, server) in [("north", world.north()), ("south", world.south())] {
                world.coordinator().run(&["resource", "add", name, "--service", &server.url()]).ok();
            }
        }
        world.add_database(postgres, row.scene);
        let expiry: &[&str] = if row.meanwhile == Some(Meanwhile::OrderExpires) { &["--ttbr", "3s"] } else { &[] };
        world.north().run(&[&["send", "orders", "one"], expiry].concat()).ok();
        until("all are attached", || world.is_attached());
        world
    }

    fn add_database(&self, postgres: &PostgresServer, scene: Scene) {
        let url = postgres.url();
        let (place, is_prepared): ([&str; 2], bool) = match self.way {
            Way::Local => return,
            Way::Sqlite => (["--sqlite", "ledger.db"], false),
            Way::Marker | Way::StandaloneMarker => (["--postgres", &url], false),
            Way::TwoPhase | Way::StandaloneTwoPhase => (["--postgres", &url], true),
        };
        let create = |table: &str| format!("create table {table}(body text)");
        if self.way == Way::Sqlite {
            rusqlite::Connection::open(self.ledger()).unwrap().execute(&create("rows"), []).unwrap();
        } else {
            postgres.psql(&create(&self.table)).unwrap();
            if scene == Scene::Refused {
                postgres.psql(&self.refusal()).unwrap();
            }
        }
        let mut args = vec!["resource", "add", &self.table];
        args.extend(place);
        args.extend(is_prepared.then_some("--two-phase"));
        self.coordinator().run(&args).ok();
    }

    /// A constraint that no row fulfils, looked at when its transaction ends.
    fn refusal(&self) -> String {
        let table = &self.table;
        format!(
            "create function refuse_{table}() returns trigger language plpgsql as \
             $$ begin raise exception 'refused'; end $$; \
             create constraint trigger refusal after insert on {table} deferrable initially deferred \
             for each row execute function refuse_{table}()"
        )
    }

    fn ledger(&self) -> std::path::PathBuf {
        self.coordinator().path("ledger.db")
    }

    pub fn coordinator(&self) -> &Server {
        &self.servers[0].1
    }

    /// Where the orders are.
    fn north(&self) -> &Server {
        &self.servers.get(1).unwrap_or(&self.servers[0]).1
    }

    fn south(&self) -> &Server {
        &self.servers.last().unwrap().1
    }

    /// Those that come to a crash point in this row, and where.
    pub fn victims<'a>(&'a mut self, row: &'a Row) -> impl Iterator<Item = (&'a mut Server, &'static str)> {
        self.servers.iter_mut().filter_map(|(who, server)| Some((server, row.at(*who)?)))
    }

    pub fn coordinator_mut(&mut self) -> &mut Server {
        &mut self.servers[0].1
    }

    pub fn server_mut(&mut self, who: Who) -> &mut Server {
        &mut self.servers.iter_mut().find(|(other, _)| *other == who).expect("the row's way has it").1
    }

    pub fn signal_coordinator(&self, signal: Signal) {
        self.coordinator().signal(signal);
    }

    fn is_attached(&self) -> bool {
        let listed = self.coordinator().run(&["resource", "list", "--output", "json"]).json();
        listed.as_array().unwrap().iter().all(|found| found["attached"] == true && found["problem"] == "")
    }

    /// Every resource can be used, nothing is under way, and nobody holds anything.
    pub fn is_quiet(&self) -> bool {
        let none = |server: &Server| server.run(&["transaction", "list", "--output", "json"]).json() == json!([]);
        let free = |server: &Server| {
            let queues = server.run(&["queue", "list", "--output", "json"]).json();
            queues.as_array().unwrap().iter().all(|queue| queue["locked"] == 0 && queue["in_doubt"] == 0)
        };
        self.is_attached()
            && self.servers.iter().all(|(_, server)| none(server))
            && self.managers().iter().all(|(_, server)| free(server))
    }

    /// Branches of this row that wait at PostgreSQL.
    pub fn prepared(&self, postgres: &PostgresServer) -> usize {
        let count = format!("select count(*) from pg_prepared_xacts where gid like '%:{}'", self.table);
        postgres.psql(&count).unwrap().parse().unwrap()
    }

    /// The name of the only one of them.
    pub fn prepared_branch(&self, postgres: &PostgresServer) -> String {
        postgres.psql(&format!("select gid from pg_prepared_xacts where gid like '%:{}'", self.table)).unwrap()
    }

    pub fn purge_orders(&self) {
        self.north().run(&["queue", "purge", "orders"]).ok();
    }

    /// The coordinator is away: what is prepared is held, and everything else at the queue manager goes on.
    pub fn assert_others_go_on(&self) {
        let orders = self.north().queue("orders");
        assert_eq!((&orders["messages"], &orders["in_doubt"]), (&json!(1), &json!(1)));
        self.north().run(&["queue", "create", "others"]).ok();
        for round in 0..20 {
            self.north().run(&["send", "others", &round.to_string()]).ok();
            assert_eq!(self.north().run(&["receive", "others"]).ok(), format!("{round}\n"));
        }
        let orders = self.north().queue("orders");
        assert_eq!((&orders["messages"], &orders["in_doubt"]), (&json!(1), &json!(1)));
    }

    /// An operator sees that a branch ended otherwise, and acknowledges it.
    pub fn forget_heuristic(&self) {
        let listed = || self.coordinator().run(&["transaction", "list", "--output", "json"]).json();
        until("the heuristic outcome is reported", || listed()[0]["branches"][0]["heuristic"] != json!(null));
        let gtrid = listed()[0]["gtrid"].as_str().unwrap().to_owned();
        self.coordinator().run(&["transaction", "resolve", &gtrid, "forget"]).ok();
    }

    pub fn found(&self, postgres: &PostgresServer) -> Found {
        let rows = match self.way {
            Way::Local => None,
            Way::Sqlite => {
                let ledger = rusqlite::Connection::open(self.ledger()).unwrap();
                Some(ledger.query_row("select count(*) from rows", [], |row| row.get(0)).unwrap())
            }
            Way::Marker | Way::TwoPhase | Way::StandaloneMarker | Way::StandaloneTwoPhase => {
                let counted = postgres.psql(&format!("select count(*) from {}", self.table)).unwrap();
                Some(counted.parse().unwrap())
            }
        };
        let count = |server: &Server, queue: &str| server.bodies(queue).len();
        let (orders, shipments) = (count(self.north(), "orders"), count(self.south(), "shipments"));
        let dead =
            |server: &Server| server.run(&["dead-letter", "list", "--output", "json"]).json().as_array().unwrap().len();
        let dead_letters = self.managers().iter().map(|(_, server)| dead(server)).sum();
        Found { orders, rows, shipments, dead_letters }
    }

    fn managers(&self) -> &[(Who, Server)] {
        if self.servers.len() == 1 { &self.servers[..] } else { &self.servers[1..] }
    }
}
