//! The last statements of a branch at PostgreSQL: the marker row, and then COMMIT (last resource) or PREPARE TRANSACTION
//! (two-phase).
//!
//! Why a success is certain although the driver does not show the tag of COMMIT (P6): the INSERT of the marker row and COMMIT
//! are sent one behind the other, before the first is answered, and no statement comes between them. A block answers ROLLBACK
//! to COMMIT only when a statement in it has failed, and a failed block refuses the INSERT first. So where the INSERT reports
//! its one row and no error follows, the block was sound, and COMMIT has committed or PREPARE has prepared. Where PostgreSQL
//! refuses the INSERT, what follows can only roll the block back, whatever it answers. That the driver sends the INSERT at all,
//! and never COMMIT alone, its text ensures: it names the types of its parameters itself, so that they can always be written.
//! That the block is the one that was begun, and not one that somebody's own COMMIT opened, the INSERT itself checks, by the
//! transaction's number: in any other, and where the commit would not wait for its flush (P13), the outcome is null, which the
//! table refuses.

use std::sync::Arc;

use futures_util::future::join;
use handfast_protocol::{GlobalId, PreparedName, ResourceName, marker};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, Statement};

use crate::blame::{Blame, blame_of, postgres_text};
use crate::decision::Decision;
use crate::limits::DATABASE_COMMIT_WITHIN;
use crate::postgres_connection::{PostgresConnection, TransactionNumber};
use crate::resource::Resource;
use crate::rollback::{Failure, RollbackCause};

/// Deferred constraints are judged now, while a failure can still be told from a fence and blamed on the message (P22); the
/// flush is asked for (P13); both are read back together with the number of the transaction.
const MAKE_SOUND: &str = "SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL synchronous_commit = on";
const CHECK: &str =
    "SELECT pg_catalog.pg_current_xact_id_if_assigned()::text, pg_catalog.current_setting('synchronous_commit')";

/// A branch that was found sound, with the statement that ends it: all that can be known to fail has not failed.
#[derive(Debug)]
pub struct SoundBranch {
    connection: PostgresConnection,
    number: TransactionNumber,
    insert: Statement,
}

impl SoundBranch {
    /// Before the coordinator is asked: everything that can be known to fail fails here.
    pub async fn check(mut connection: PostgresConnection, number: TransactionNumber) -> Result<SoundBranch, Failure> {
        let resource = connection.resource().name.clone();
        let checked = timeout(DATABASE_COMMIT_WITHIN, async {
            let row = connection.row_after(MAKE_SOUND, CHECK).await;
            let failed =
                |error: Error| Failure::of_statement(resource.clone(), postgres_text(&error), blame_of(&error));
            let row = row.map_err(failed)?;
            let insert = connection.statement(&insert(connection.resource())).await;
            // A marker table that is not there is no message's fault (P22).
            let insert = insert.map_err(|error| not_to_commit(&resource, postgres_text(&error)))?;
            Ok((row, insert))
        });
        let (row, insert) = match checked.await {
            Ok(Ok(found)) => found,
            Ok(Err(failure)) => {
                // Nothing is in doubt: the application's own connection goes back to it.
                drop(connection.roll_back().await);
                return Err(failure);
            }
            Err(_) => {
                connection.abort();
                return Err(not_to_commit(&resource, format!("no answer within {DATABASE_COMMIT_WITHIN:?}")));
            }
        };
        let found = |index: usize| row.try_get::<_, Option<&str>>(index).ok().flatten();
        let is_ours = found(0) == Some(number.0.to_string().as_str()) && found(1) == Some("on");
        if !is_ours {
            connection.abort();
            let error = "its transaction was ended by a statement, or would not be flushed";
            return Err(not_to_commit(&resource, error.to_owned()));
        }
        Ok(SoundBranch { connection, number, insert })
    }

    pub fn resource(&self) -> &Arc<Resource> {
        self.connection.resource()
    }

    pub async fn roll_back(self) -> Option<PostgresConnection> {
        self.connection.roll_back().await
    }

    /// After `go`: this commit is the decision of the whole transaction.
    pub async fn commit(self, id: GlobalId) -> Decision<PostgresConnection> {
        let ended = timeout(DATABASE_COMMIT_WITHIN, self.insert_and_end(id, "COMMIT")).await;
        let connection = self.connection;
        match ended {
            Ok((Ok(1), Ok(()))) => Decision::Committed(connection),
            Ok((Err(error), _)) if is_fence(&error, connection.resource()) => {
                drop(connection.roll_back().await);
                Decision::Fenced
            }
            Ok((Err(error), _) | (_, Err(error))) => {
                connection.abort();
                // Without words of the database nothing is known but that the connection is gone.
                Decision::Uncertain { error: error.as_db_error().map(|_| postgres_text(&error)) }
            }
            // Not the one row, or no answer in time.
            Ok((Ok(_), Ok(()))) | Err(_) => {
                connection.abort();
                Decision::Uncertain { error: None }
            }
        }
    }

    /// Two-phase: able to commit and to roll back from here on, whatever happens. A failure may leave it prepared all the
    /// same, where the answer was lost; the coordinator finds it by its name and rolls it back (P8).
    pub async fn prepare(self, id: GlobalId) -> Result<PostgresConnection, Failure> {
        let resource = self.resource().name.clone();
        let name = PreparedName { id, resource: resource.clone() };
        // Digits, letters, `-`, `:` and `_` only: nothing in the name needs quoting.
        let end = format!("PREPARE TRANSACTION '{name}'");
        let (error, blame) = match timeout(DATABASE_COMMIT_WITHIN, self.insert_and_end(id, &end)).await {
            Ok((Ok(1), Ok(()))) => return Ok(self.connection),
            // The marker row is ours, and no message's fault.
            Ok((Err(error), _)) => (postgres_text(&error), Blame::None),
            Ok((Ok(_), Err(error))) => (postgres_text(&error), blame_of(&error)),
            Ok((Ok(_), Ok(()))) => ("it did not prepare".to_owned(), Blame::None),
            Err(_) => (format!("no answer within {DATABASE_COMMIT_WITHIN:?}"), Blame::None),
        };
        self.connection.abort();
        Err(Failure { cause: RollbackCause::Database { resource, error }, blame })
    }

    /// The marker row, and `end` right behind it: how many rows were inserted, and whether the end was carried out.
    async fn insert_and_end(&self, id: GlobalId, end: &str) -> (Result<u64, Error>, Result<(), Error>) {
        let client = self.connection.client();
        let (gtrid, number) = (id.to_gtrid(), self.number.0.to_string());
        let (gtrid, number) = (gtrid.as_bytes(), number.as_str());
        // Both are put into the connection's line when they are first looked at, in this order.
        join(client.execute(&self.insert, &[&gtrid, &number]), client.batch_execute(end)).await
    }
}

fn not_to_commit(resource: &ResourceName, error: String) -> Failure {
    Failure::blameless(RollbackCause::Database { resource: resource.clone(), error })
}

fn insert(resource: &Resource) -> String {
    format!(
        "INSERT INTO {table} (gtrid, outcome) VALUES ($1::pg_catalog.bytea, \
         CASE WHEN pg_catalog.pg_current_xact_id_if_assigned()::text = $2::pg_catalog.text \
         AND pg_catalog.current_setting('synchronous_commit') = 'on' THEN '{committed}' END)",
        table = resource.table(marker::OUTCOME_TABLE),
        committed = marker::COMMITTED,
    )
}

fn is_fence(error: &Error, resource: &Resource) -> bool {
    let Some(said) = error.as_db_error() else {
        return false;
    };
    // The schema is quoted for SQL on one side and bare on the other.
    let bare = |quoted: &str| quoted.trim_matches('"').replace("\"\"", "\"");
    *said.code() == SqlState::UNIQUE_VIOLATION
        && said.table() == Some(marker::OUTCOME_TABLE)
        && said.schema() == Some(bare(&resource.schema).as_str())
}
