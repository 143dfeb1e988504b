//! Idle connections to databases, by resource, and sessions with other queue managers, by address. The connections are few, checked when they were made, and only those whose last transaction has
//! ended for certain (P21).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handfast_protocol::ResourceName;
use tokio::sync::Semaphore;

use crate::limits::{IDLE_CONNECTIONS_MAX, POOLED_QUEUE_MANAGERS_MAX, POOLED_RESOURCES_MAX};
use crate::postgres_connection::PostgresConnection;
use crate::resource::Resource;
use crate::session::Session;
use crate::sqlite::SqliteConnection;

#[derive(Debug, Default)]
pub struct Pool {
    // Held for a look or a push, never over an await.
    places: Mutex<BTreeMap<ResourceName, Place>>,
    // The same.
    queue_managers: Mutex<BTreeMap<String, Session>>,
}

/// What is kept of one resource.
#[derive(Debug)]
struct Place {
    postgres: Vec<PostgresConnection>,
    sqlite: Option<SqliteConnection>,
    /// SQLite has one writer; who waits for its turn waits here, in order.
    turn: Arc<Semaphore>,
}

impl Default for Place {
    fn default() -> Place {
        Place { postgres: Vec::new(), sqlite: None, turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Pool {
    /// The one that was used last: the others grow old and are closed.
    pub fn take_postgres(&self, resource: &Resource) -> Option<PostgresConnection> {
        let mut places = self.places();
        let idle = &mut places.get_mut(&resource.name)?.postgres;
        idle.retain(|connection| connection.fits(resource));
        idle.pop()
    }

    pub fn put_postgres(&self, connection: PostgresConnection) {
        let mut places = self.places();
        let Some(place) = place(&mut places, &connection.resource().name) else {
            return;
        };
        if place.postgres.len() < IDLE_CONNECTIONS_MAX {
            place.postgres.push(connection);
        }
    }

    /// For a connection whose transaction has just ended for certain.
    pub fn put_postgres_ended(&self, connection: PostgresConnection) {
        if let Some(connection) = connection.end() {
            self.put_postgres(connection);
        }
    }

    pub fn put_sqlite_ended(&self, connection: SqliteConnection) {
        if let Some(connection) = connection.end() {
            self.put_sqlite(connection);
        }
    }

    pub fn sqlite_turn(&self, resource: &Resource) -> Arc<Semaphore> {
        let mut places = self.places();
        // Without a place for it SQLite's own lock keeps the order.
        place(&mut places, &resource.name).map_or_else(|| Arc::new(Semaphore::new(1)), |place| Arc::clone(&place.turn))
    }

    pub fn take_sqlite(&self, resource: &Resource) -> Option<SqliteConnection> {
        let taken = self.places().get_mut(&resource.name)?.sqlite.take();
        taken.filter(|connection| connection.fits(resource))
    }

    pub fn put_sqlite(&self, connection: SqliteConnection) {
        let mut places = self.places();
        if let Some(place) = place(&mut places, &connection.resource().name) {
            place.sqlite = Some(connection);
        }
    }

    /// The session with the queue manager at this address, which many transactions share.
    pub fn queue_manager(&self, address: &str) -> Option<Session> {
        self.queue_managers().get(address).cloned()
    }

    pub fn keep_queue_manager(&self, address: &str, session: &Session) {
        let mut sessions = self.queue_managers();
        if sessions.len() < POOLED_QUEUE_MANAGERS_MAX {
            sessions.entry(address.to_owned()).or_insert_with(|| session.clone());
        }
    }

    fn queue_managers(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.queue_managers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<ResourceName, Place>> {
        // Nothing is done under the lock that could leave it half done.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place<'a>(places: &'a mut BTreeMap<ResourceName, Place>, name: &ResourceName) -> Option<&'a mut Place> {
    if places.len() >= POOLED_RESOURCES_MAX && !places.contains_key(name) {
        return None;
    }
    Some(places.entry(name.clone()).or_default())
}
