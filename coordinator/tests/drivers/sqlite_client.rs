//! An application on its own connection to a SQLite file.

use std::sync::Mutex;

use async_trait::async_trait;
use handfast_coordinator::drivers::conformance::{Client, Written};
use handfast_coordinator_core::Resource;
use handfast_protocol::{GlobalId, Outcome, Xid, marker};
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub struct SqliteClient {
    address: String,
    connection: Mutex<Connection>,
}

impl SqliteClient {
    pub fn of(resource: &Resource) -> SqliteClient {
        let address = resource.address.clone();
        SqliteClient { connection: Mutex::new(open(&address)), address }
    }

    pub fn run(&self, sql: &str) {
        self.connection.lock().unwrap().execute_batch(sql).unwrap();
    }

    fn roll_back(&self) {
        let connection = self.connection.lock().unwrap();
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK").unwrap();
        }
    }
}

fn open(address: &str) -> Connection {
    Connection::open_with_flags(address, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

#[async_trait]
impl Client for SqliteClient {
    async fn reset(&self) {
        self.roll_back();
        self.run("DELETE FROM handfast_outcome");
    }

    async fn write(&self, id: GlobalId) -> Written {
        self.roll_back();
        self.run("BEGIN IMMEDIATE");
        self.mark(id).await
    }

    async fn mark(&self, id: GlobalId) -> Written {
        let insert = "INSERT INTO handfast_outcome (gtrid, outcome) VALUES (?1, 'committed')";
        let inserted = self.connection.lock().unwrap().execute(insert, [id.to_bytes().as_slice()]);
        match inserted {
            Ok(_) => Written::Done,
            Err(error) => {
                assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation));
                self.roll_back();
                Written::Conflict
            }
        }
    }

    async fn fail(&self) {
        let insert = "INSERT INTO handfast_outcome (gtrid, outcome) VALUES (x'00', 'neither')";
        let failed = self.connection.lock().unwrap().execute(insert, []);
        assert_eq!(failed.unwrap_err().sqlite_error_code(), Some(ErrorCode::ConstraintViolation));
    }

    async fn end(&self, outcome: Outcome) {
        match outcome {
            Outcome::Committed => self.run("COMMIT"),
            Outcome::RolledBack => self.roll_back(),
        }
    }

    async fn write_unflushed(&self, id: GlobalId) {
        self.run("PRAGMA synchronous = OFF");
        assert_eq!(self.write(id).await, Written::Done);
        self.run("COMMIT; PRAGMA synchronous = FULL");
    }

    async fn leave(&self) {
        *self.connection.lock().unwrap() = open(&self.address);
    }

    /// SQLite's waiters poll; nobody can see them.
    async fn awaited(&self) {}

    async fn prepare(&self, _: &Xid) {
        unreachable!("a last resource prepares nothing");
    }

    async fn prepare_open(&self, _: &Xid) -> bool {
        unreachable!("a last resource prepares nothing");
    }

    async fn prepare_and_leave(&self, _: &Xid) {
        unreachable!("a last resource prepares nothing");
    }

    async fn prepare_foreign(&self, _: &str) {
        unreachable!("a last resource prepares nothing");
    }

    async fn is_prepared(&self, _: &str) -> bool {
        false
    }

    async fn end_by_hand(&self, _: &Xid, _: Outcome) {
        unreachable!("a last resource prepares nothing");
    }

    async fn rows(&self) -> Vec<(GlobalId, Outcome)> {
        let connection = self.connection.lock().unwrap();
        let mut select = connection.prepare("SELECT gtrid, outcome FROM handfast_outcome ORDER BY gtrid").unwrap();
        let rows = select.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?))).unwrap();
        let read = |row: rusqlite::Result<(Vec<u8>, String)>| {
            let (gtrid, outcome) = row.unwrap();
            let outcome = match outcome.as_str() {
                marker::COMMITTED => Outcome::Committed,
                marker::ROLLED_BACK => Outcome::RolledBack,
                other => panic!("{other}"),
            };
            (GlobalId::from_bytes(&gtrid).unwrap(), outcome)
        };
        rows.map(read).collect()
    }

    /// It has no process but its client's.
    async fn restart(&self) {
        self.leave().await;
    }
}
