//! The last statements of a branch at PostgreSQL: the marker row, and then COMMIT (last resource) or PREPARE TRANSACTION
//! (two-phase).
//!
//! Why a success is certain although the driver does not show the tag of COMMIT (P6): the INSERT of the marker row and COMMIT
//! are sent one behind the other, with nothing between them and before the first is answered. A block answers ROLLBACK to
//! COMMIT only when a statement in it has failed, and a failed block refuses the INSERT first. So where the INSERT reports its
//! one row and no error follows, the block was sound, nothing came in between, and COMMIT has committed or PREPARE has
//! prepared. Where the INSERT fails, what follows it can only roll the block back, whatever it answers. That the block is the
//! one that was begun, and not one that somebody's own COMMIT opened, the INSERT itself checks, by the transaction's number: in
//! any other, and where the commit would not wait for its flush (P13), the outcome is null, which the table refuses.

use futures_util::future::join;
use handfast_protocol::{GlobalId, PreparedName, marker};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use crate::blame::{blame_of, postgres_text};
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

/// Before the coordinator is asked: everything that can be known to fail fails here.
pub async fn check(
    mut connection: PostgresConnection,
    number: TransactionNumber,
) -> Result<PostgresConnection, Failure> {
    let resource = connection.resource().name.clone();
    let checked = timeout(DATABASE_COMMIT_WITHIN, async {
        let row = connection.row_after(MAKE_SOUND, CHECK).await?;
        // Prepared now, so that nothing is between `go` and the commit.
        connection.statement(&insert(connection.resource())).await?;
        Ok::<_, tokio_postgres::Error>(row)
    });
    let row = match checked.await {
        Ok(Ok(row)) => row,
        Ok(Err(error)) => {
            // Nothing is in doubt: the application's own connection goes back to it.
            drop(connection.roll_back().await);
            return Err(Failure::of_statement(resource, postgres_text(&error), blame_of(&error)));
        }
        Err(_) => {
            connection.abort();
            let error = format!("no answer within {DATABASE_COMMIT_WITHIN:?}");
            return Err(Failure::blameless(RollbackCause::Database { resource, error }));
        }
    };
    let found = |index: usize| row.try_get::<_, Option<&str>>(index).ok().flatten();
    let is_sound = found(0) == Some(number.0.to_string().as_str()) && found(1) == Some("on");
    if !is_sound {
        connection.abort();
        let error = "its transaction was ended by a statement, or would not be flushed".to_owned();
        return Err(Failure::blameless(RollbackCause::Database { resource, error }));
    }
    Ok(connection)
}

/// After `go`: this commit is the decision of the whole transaction.
pub async fn commit(
    mut connection: PostgresConnection,
    number: TransactionNumber,
    id: GlobalId,
) -> Decision<PostgresConnection> {
    let ending = insert_and_end(&mut connection, number, id, "COMMIT");
    match timeout(DATABASE_COMMIT_WITHIN, ending).await {
        Ok(Ok(true)) => Decision::Committed(connection),
        Ok(Err(error)) if is_fence(&error, connection.resource()) => {
            drop(connection.roll_back().await);
            Decision::Fenced
        }
        Ok(Err(error)) => {
            connection.abort();
            // Without words of the database nothing is known but that the connection is gone.
            Decision::Uncertain { error: error.as_db_error().map(|_| postgres_text(&error)) }
        }
        // Not the one row, or no answer in time.
        Ok(Ok(false)) | Err(_) => {
            connection.abort();
            Decision::Uncertain { error: None }
        }
    }
}

/// Two-phase: able to commit and to roll back from here on, whatever happens. A failure may leave it prepared all the same,
/// where the answer was lost; the coordinator finds it by its name and rolls it back (P8).
pub async fn prepare(
    mut connection: PostgresConnection,
    number: TransactionNumber,
    id: GlobalId,
) -> Result<PostgresConnection, Failure> {
    let resource = connection.resource().name.clone();
    let name = PreparedName { id, resource: resource.clone() };
    // Digits, letters, `-`, `:` and `_` only: nothing in the name needs quoting.
    let end = format!("PREPARE TRANSACTION '{name}'");
    let ending = insert_and_end(&mut connection, number, id, &end);
    let (error, blame) = match timeout(DATABASE_COMMIT_WITHIN, ending).await {
        Ok(Ok(true)) => return Ok(connection),
        Ok(Err(error)) => (postgres_text(&error), blame_of(&error)),
        Ok(Ok(false)) => ("it did not prepare".to_owned(), Default::default()),
        Err(_) => (format!("no answer within {DATABASE_COMMIT_WITHIN:?}"), Default::default()),
    };
    connection.abort();
    Err(Failure { cause: RollbackCause::Database { resource, error }, blame })
}

/// The marker row, and `end` right behind it. Whether the row was inserted, where nothing failed.
async fn insert_and_end(
    connection: &mut PostgresConnection,
    number: TransactionNumber,
    id: GlobalId,
    end: &str,
) -> Result<bool, tokio_postgres::Error> {
    let insert = connection.statement(&insert(connection.resource())).await?;
    let client = connection.client();
    let (gtrid, number) = (id.to_gtrid(), number.0.to_string());
    let (gtrid, number) = (gtrid.as_bytes(), number.as_str());
    let (inserted, ended) = join(client.execute(&insert, &[&gtrid, &number]), client.batch_execute(end)).await;
    let inserted = inserted?;
    ended?;
    Ok(inserted == 1)
}

fn insert(resource: &Resource) -> String {
    format!(
        "INSERT INTO {table} (gtrid, outcome) VALUES ($1, \
         CASE WHEN pg_catalog.pg_current_xact_id_if_assigned()::text = $2 \
         AND pg_catalog.current_setting('synchronous_commit') = 'on' THEN '{committed}' END)",
        table = resource.table(marker::OUTCOME_TABLE),
        committed = marker::COMMITTED,
    )
}

fn is_fence(error: &tokio_postgres::Error, resource: &Resource) -> bool {
    let Some(said) = error.as_db_error() else {
        return false;
    };
    // The schema is quoted for SQL on one side and bare on the other.
    let bare = |quoted: &str| quoted.trim_matches('"').replace("\"\"", "\"");
    *said.code() == SqlState::UNIQUE_VIOLATION
        && said.table() == Some(marker::OUTCOME_TABLE)
        && said.schema() == Some(bare(&resource.schema).as_str())
}
