//! Where a worker is in its job.

use handfast_machine::local_branch;
use handfast_protocol::{GlobalId, Xid};
use handfast_queue::Blame;

/// What the client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The end of a pause; then it begins anew.
    Pausing,
    Opening,
    Beginning,
    /// A transaction that begins with its message.
    BeginReceiving,
    EnlistingQueues,
    StartingBranch,
    Receiving,
    /// The body of the message that it has received rests apart.
    ReadingBody,
    EnlistingDatabase,
    Inserting,
    Sending,
    EndingBranch,
    Checking,
    Preparing,
    Committing,
    Deciding,
    Reporting {
        committed: bool,
    },
    /// The end of a pause; then it reports again.
    ReportingAgain {
        committed: bool,
    },
    Asking,
    /// The end of a pause; then it asks again.
    AskingAgain,
    /// The database rolls back; then the coordinator is asked for the outcome.
    LettingGo {
        known: Known,
    },
    /// The database rolls back; then the coordinator is told to.
    RollingBackRows,
    /// A queue manager of its own rolls back, and hears whose fault it was; then the coordinator is told to.
    RollingBackBranch,
    RollingBack,
    /// The commit has come to nothing. A coordinator that restarted before it prepared the branch knows nothing of it.
    ClearingUp,
    Looking,
    Finished,
}

/// What the coordinator has said of the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    Committed,
    RolledBack,
    NotYet,
}

/// One transaction of the client.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: GlobalId,
    /// Its branch at the queues.
    pub xid: Xid,
    /// That is one of a queue manager that is not the coordinator's, and it has begun: who ends the transaction otherwise than
    /// committed ends the branch there, too.
    pub has_branch: bool,
    pub order: Option<String>,
    /// The queue was empty: nothing is to be done but to look whether it stays so.
    pub found_nothing: bool,
    /// What the failure says about the order (P22).
    pub blame: Option<Blame>,
}

impl Attempt {
    pub fn new(id: GlobalId) -> Attempt {
        let xid = local_branch(id);
        Attempt { id, xid, order: None, has_branch: false, found_nothing: false, blame: None }
    }
}
