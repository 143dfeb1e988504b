//! Two queue managers, a database, and the coordinator at which all three are registered.

use std::path::PathBuf;

use handfast_client::Handfast;
use serde_json::{Value, json};

use crate::harness::{Server, until};

pub struct World {
    pub north: Server,
    pub south: Server,
    pub coordinator: Server,
}

impl World {
    pub fn start() -> World {
        let world = World { north: Server::start(), south: Server::start(), coordinator: Server::start_coordinator() };
        for (name, server) in [("north", &world.north), ("south", &world.south)] {
            server.run(&["queue", "create", "orders"]).ok();
            server.run(&["queue", "create", "shipments"]).ok();
            world.coordinator.run(&["resource", "add", name, "--service", &server.url()]).ok();
        }
        rusqlite::Connection::open(world.ledger()).unwrap().execute("create table rows(body)", []).unwrap();
        world.coordinator.run(&["resource", "add", "ledger", "--sqlite", "ledger.db"]).ok();
        until("all are attached", || attached(&world.coordinator));
        world
    }

    pub fn ledger(&self) -> PathBuf {
        self.coordinator.path("ledger.db")
    }

    pub fn rows(&self) -> Vec<String> {
        let ledger = rusqlite::Connection::open(self.ledger()).unwrap();
        let mut query = ledger.prepare("select body from rows order by rowid").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub async fn client(&self) -> Handfast {
        Handfast::connect(&self.coordinator.url()).await.unwrap()
    }

    pub fn servers(&self) -> [&Server; 3] {
        [&self.coordinator, &self.north, &self.south]
    }

    /// Nobody holds anything: what the queues have, all can receive.
    pub fn is_quiet(&self) -> bool {
        let none = |server: &Server| transactions(server) == json!([]);
        let free = |server: &Server| {
            let queues = server.run(&["queue", "list", "--output", "json"]).json();
            queues.as_array().unwrap().iter().all(|queue| queue["locked"] == 0 && queue["in_doubt"] == 0)
        };
        self.servers().into_iter().all(none) && free(&self.north) && free(&self.south)
    }
}

/// Whether all that is registered there can be used.
pub fn attached(coordinator: &Server) -> bool {
    let listed = coordinator.run(&["resource", "list", "--output", "json"]).json();
    listed.as_array().unwrap().iter().all(|resource| resource["attached"] == true)
}

/// What is under way there or in doubt, branches of other coordinators included.
pub fn transactions(server: &Server) -> Value {
    server.run(&["transaction", "list", "--output", "json"]).json()
}
