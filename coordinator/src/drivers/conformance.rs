//! What every driver of a database must answer, as a table: steps of a client and questions of the coordinator, with the
//! whole answer expected of each. Any [`Driver`] runs it, over a real database or a simulated one, given a [`Client`] that
//! does to the database what an application does.
//!
//! Each question that is answered is put again at once, and must get the same answer: repetition is what recovery is made of.
//! What a table cannot say (a server that stays away, a wrong database) is not here.

mod cases;

use async_trait::async_trait;
use handfast_coordinator_core::{Ask, CallFailed, Told};
use handfast_protocol::{GlobalId, Outcome, Xid};

use super::Driver;
pub use cases::{marker, two_phase};

/// An application, on its own connection to the database that the driver is for.
#[async_trait]
pub trait Client: Send + Sync {
    /// Empties the table of outcomes; what coordinators and resource left of themselves stays.
    async fn reset(&self);

    /// Begins, inserts the row `(gtrid, 'committed')`, and leaves the transaction open. Another that is open is rolled back.
    async fn write(&self, id: GlobalId) -> Written;

    /// Inserts the row in what is open.
    async fn mark(&self, id: GlobalId) -> Written;

    /// In what is open a statement breaks a rule, and the application goes on as if nothing had happened (P6).
    async fn fail(&self);

    /// Ends what [`Client::write`] left open. No database takes that for an error, whatever becomes of it.
    async fn end(&self, outcome: Outcome);

    /// As [`Client::write`], and commits without waiting for the flush: the row can be seen and is not durable (P12).
    async fn write_unflushed(&self, id: GlobalId);

    /// The application is gone with what it has open.
    async fn leave(&self);

    /// Returns once the driver's question waits for the transaction that is open; at once where that cannot be seen, since
    /// then the driver may come before or after and must answer the same.
    async fn awaited(&self);

    /// Begins, inserts the row, and prepares. Only asked of a two-phase resource.
    async fn prepare(&self, xid: &Xid);

    /// Prepares what is open, under this name; whether that was answered without an error.
    async fn prepare_open(&self, xid: &Xid) -> bool;

    /// As [`Client::prepare`], but is gone before it is answered; returns once the branch stands prepared.
    async fn prepare_and_leave(&self, xid: &Xid);

    /// Prepares a branch under a name that is nobody's business here; tells whether it still is prepared.
    async fn prepare_foreign(&self, name: &str);
    async fn is_prepared(&self, name: &str) -> bool;

    /// What an operator does who ends a prepared branch by hand.
    async fn end_by_hand(&self, xid: &Xid, outcome: Outcome);

    /// Every marker row, in the order of its gtrid.
    async fn rows(&self) -> Vec<(GlobalId, Outcome)>;

    /// The database is killed, and starts again.
    async fn restart(&self);
}

/// What became of the marker row of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Done,
    /// The opposite row is there: the transaction is rolled back (P21).
    Conflict,
    /// An earlier statement of the transaction has failed: it takes no other (P6).
    Failed,
}

/// One story. It begins with no outcome in the database, and with the coordinators' rows that the case before it left.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub enum Step {
    /// The coordinator asks, twice.
    Ask(Ask, Told),
    /// The coordinator asks while a client's transaction is open; the client ends it, then the answer must come.
    AskMeanwhile {
        ask: Ask,
        client: Outcome,
        told: Told,
    },
    /// What cannot be asked of this kind of resource is refused; the words are the driver's.
    Refused(Ask),
    Write(GlobalId, Written),
    Mark(GlobalId, Written),
    Fail,
    End(Outcome),
    WriteUnflushed(GlobalId),
    Leave,
    Prepare(Xid),
    /// Whether it was answered without an error.
    PrepareOpen(Xid, bool),
    PrepareAndLeave(Xid),
    PrepareForeign(&'static str),
    /// The branch of somebody else is where it was.
    Untouched(&'static str),
    EndByHand(Xid, Outcome),
    Rows(Vec<(GlobalId, Outcome)>),
    /// The database is killed and starts again. The driver learns of it by the question that it is asked then, which is put again.
    Restart {
        then: Ask,
        told: Told,
    },
}

/// A step that went otherwise than the table says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case}, step {step}: expected {expected}, found {found}")]
pub struct Deviation {
    pub case: &'static str,
    pub step: usize,
    pub expected: String,
    pub found: String,
}

/// Runs one case of a table; the cases come in its order.
pub async fn run(case: &Case, driver: &dyn Driver, client: &dyn Client) -> Result<(), Deviation> {
    client.reset().await;
    for (step, action) in case.steps.iter().enumerate() {
        take(action, driver, client).await.map_err(|Unexpected { expected, found }| Deviation {
            case: case.name,
            step: step + 1,
            expected,
            found,
        })?;
    }
    Ok(())
}

struct Unexpected {
    expected: String,
    found: String,
}

async fn take(step: &Step, driver: &dyn Driver, client: &dyn Client) -> Result<(), Unexpected> {
    match step {
        Step::Ask(ask, told) => {
            for _ in 0..2 {
                same(&Ok(told.clone()), &driver.call(ask.clone()).await)?;
            }
            Ok(())
        }
        Step::AskMeanwhile { ask, client: outcome, told } => {
            let ended = async {
                client.awaited().await;
                client.end(*outcome).await;
            };
            let (answered, ()) = tokio::join!(driver.call(ask.clone()), ended);
            same(&Ok(told.clone()), &answered)
        }
        Step::Refused(ask) => match driver.call(ask.clone()).await {
            Err(CallFailed::Refused { .. }) => Ok(()),
            other => Err(Unexpected { expected: "a refusal".to_owned(), found: format!("{other:?}") }),
        },
        Step::Write(id, written) => same(written, &client.write(*id).await),
        Step::Mark(id, written) => same(written, &client.mark(*id).await),
        Step::PrepareOpen(xid, succeeds) => same(succeeds, &client.prepare_open(xid).await),
        Step::Untouched(name) => same(&true, &client.is_prepared(name).await),
        Step::Rows(rows) => same(rows, &client.rows().await),
        Step::Restart { then, told } => {
            client.restart().await;
            let answered = match driver.call(then.clone()).await {
                Err(CallFailed::Unreachable { .. }) => driver.call(then.clone()).await,
                answered => answered,
            };
            same(&Ok(told.clone()), &answered)
        }
        Step::Fail
        | Step::End(_)
        | Step::WriteUnflushed(_)
        | Step::Leave
        | Step::Prepare(_)
        | Step::PrepareAndLeave(_)
        | Step::PrepareForeign(_)
        | Step::EndByHand(..) => {
            act(step, client).await;
            Ok(())
        }
    }
}

/// What an application does that has no answer to compare.
async fn act(step: &Step, client: &dyn Client) {
    match step {
        Step::Fail => client.fail().await,
        Step::End(outcome) => client.end(*outcome).await,
        Step::WriteUnflushed(id) => client.write_unflushed(*id).await,
        Step::Leave => client.leave().await,
        Step::Prepare(xid) => client.prepare(xid).await,
        Step::PrepareAndLeave(xid) => client.prepare_and_leave(xid).await,
        Step::PrepareForeign(name) => client.prepare_foreign(name).await,
        Step::EndByHand(xid, outcome) => client.end_by_hand(xid, *outcome).await,
        answered => unreachable!("{answered:?} is answered"),
    }
}

fn same<T: std::fmt::Debug + PartialEq>(expected: &T, found: &T) -> Result<(), Unexpected> {
    match expected == found {
        true => Ok(()),
        false => Err(Unexpected { expected: format!("{expected:?}"), found: format!("{found:?}") }),
    }
}
