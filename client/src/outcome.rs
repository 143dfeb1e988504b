//! What is told of a transaction's end, and how to learn it later.

use handfast_protocol::{GlobalId, Heuristic};
use handfast_wire::v1;
use handfast_wire::v1::transaction_outcome::Kind;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::error::RequestError;
use crate::limits::{OUTCOME_WAIT, RECONNECT_PAUSE_MIN};
use crate::receive::millis;
use crate::rollback::RollbackCause;
use crate::session::{Ask, Session, expect_answer};

/// How a transaction ended, as far as it is known now.
#[derive(Debug)]
#[must_use = "only the outcome says what happened"]
pub enum CommitOutcome {
    /// All of it is done, and durable.
    Committed,
    /// Nothing of it is done.
    RolledBack { why: RollbackCause },
    /// Some part ended otherwise than decided; an operator has to look (G6).
    Heuristic { heuristic: Heuristic, transaction: InDoubt },
    /// It will be committed or rolled back, and which of them cannot be told yet. Ask again; never assume.
    Unknown(InDoubt),
}

impl CommitOutcome {
    /// For callers to whom only a commit is good.
    pub fn into_result(self) -> Result<(), NotCommitted> {
        match self {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::RolledBack { why } => Err(NotCommitted::RolledBack { why }),
            CommitOutcome::Heuristic { heuristic, transaction } => {
                Err(NotCommitted::Heuristic { heuristic, id: transaction.id })
            }
            CommitOutcome::Unknown(transaction) => Err(NotCommitted::Unknown { transaction }),
        }
    }
}

/// A transaction that is not known to be committed.
#[derive(Debug, thiserror::Error)]
pub enum NotCommitted {
    #[error("rolled back: {why}")]
    RolledBack { why: RollbackCause },
    #[error("transaction {id} ended as {heuristic}; look at it with: handfast transaction show {id}")]
    Heuristic { heuristic: Heuristic, id: GlobalId },
    #[error("the outcome of transaction {} is not known yet; ask again, or look with: handfast transaction show {}", transaction.id, transaction.id)]
    Unknown { transaction: InDoubt },
}

/// A transaction whose outcome is still to be learned.
#[derive(Debug, Clone)]
pub struct InDoubt {
    session: Session,
    id: GlobalId,
}

/// What the coordinator knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownOutcome {
    Committed,
    RolledBack {
        reason: String,
    },
    Heuristic(Heuristic),
    /// Active, being prepared, in doubt, or committed and not yet applied by each queue manager (P19); the state in the
    /// coordinator's words.
    Undecided {
        state: String,
    },
    /// So long ago that it is no longer kept (P20). It says nothing about how it ended.
    Forgotten,
}

impl InDoubt {
    pub(crate) fn new(session: Session, id: GlobalId) -> InDoubt {
        InDoubt { session, id }
    }

    pub fn id(&self) -> GlobalId {
        self.id
    }

    /// Asks the coordinator once. Waits up to five seconds for a decision.
    pub async fn ask_again(&self) -> Result<KnownOutcome, RequestError> {
        let ask = v1::AskOutcome { gtrid: self.id.to_string(), wait_ms: millis(OUTCOME_WAIT) };
        let answer = self.session.ask(Ask::AskOutcome(ask)).await?;
        let outcome = expect_answer!(self.session, answer, Outcome, "ask outcome")?;
        Ok(known(&outcome))
    }

    pub(crate) fn runtime(&self) -> Handle {
        self.session.runtime().clone()
    }

    /// Asks until it is decided, or until `deadline`.
    pub(crate) async fn ask_until(self, deadline: Instant) -> CommitOutcome {
        let asking = async {
            loop {
                match self.ask_again().await {
                    Ok(KnownOutcome::Undecided { .. }) => {}
                    Ok(known) => return self.conclude(known),
                    // The session paces the attempts to reach a server that is away.
                    Err(error) if error.is_retryable() => {
                        tracing::debug!(id = %self.id, %error, "outcome not known yet")
                    }
                    Err(_) => return CommitOutcome::Unknown(self.clone()),
                }
                // A server that answers at once that it does not know is not asked in a tight loop.
                tokio::time::sleep(RECONNECT_PAUSE_MIN).await;
            }
        };
        match tokio::time::timeout_at(deadline, asking).await {
            Ok(outcome) => outcome,
            Err(_) => CommitOutcome::Unknown(self),
        }
    }

    pub(crate) fn conclude(&self, known: KnownOutcome) -> CommitOutcome {
        match known {
            KnownOutcome::Committed => CommitOutcome::Committed,
            KnownOutcome::RolledBack { reason } => CommitOutcome::RolledBack { why: RollbackCause::Server { reason } },
            KnownOutcome::Heuristic(heuristic) => CommitOutcome::Heuristic { heuristic, transaction: self.clone() },
            KnownOutcome::Undecided { .. } | KnownOutcome::Forgotten => CommitOutcome::Unknown(self.clone()),
        }
    }
}

pub(crate) fn known(outcome: &v1::TransactionOutcome) -> KnownOutcome {
    match outcome.kind() {
        Kind::Committed => KnownOutcome::Committed,
        Kind::RolledBack => KnownOutcome::RolledBack { reason: outcome.reason.clone() },
        Kind::Heuristic => {
            let heuristic: Option<Heuristic> = outcome.heuristic().into();
            // One whose kind this version does not know is one that nobody can vouch for.
            KnownOutcome::Heuristic(heuristic.unwrap_or(Heuristic::Hazard))
        }
        Kind::Undecided => KnownOutcome::Undecided { state: outcome.reason.clone() },
        Kind::Forgotten => KnownOutcome::Forgotten,
    }
}
