//! A queue manager as a participant of another coordinator (XA+ 2.3): what its refusals mean to who must end a transaction. The
//! shell carries questions and answers over the network; whoever simulates it has no other opinion of them.

use handfast_protocol::{Heuristic, Outcome};
use handfast_queue::manager::RequestRefused;

/// What follows when a branch is not prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVote {
    /// It is not there, or was rolled back, so it never commits: that is a vote to roll back (P5).
    RolledBack,
    /// It is rolled back first; then that is the vote, and the coordinator does not come again for it.
    RollBackFirst,
    /// Whether it is prepared is not known: the coordinator asks again, or rolls back.
    Unknown,
}

/// A refused prepare.
#[must_use]
pub fn prepare_refused(refused: &RequestRefused) -> NoVote {
    match refused {
        RequestRefused::TransactionNotActive { .. } | RequestRefused::RolledBack { .. } => NoVote::RolledBack,
        RequestRefused::Unknown => NoVote::Unknown,
        _ => NoVote::RollBackFirst,
    }
}

/// A refused commit or rollback that says how the branch has ended: as it was told to, or otherwise. `None`: the refusal does
/// not say; the coordinator tells it again.
#[must_use]
pub fn ended_before(told: Outcome, refused: &RequestRefused) -> Option<Result<(), Heuristic>> {
    match (told, refused) {
        // There are no tombstones of other coordinators' branches (P1): a prepared one does not go by itself, so what is not
        // known is committed already.
        (Outcome::Committed, RequestRefused::TransactionNotActive { .. }) => Some(Ok(())),
        // It never was prepared, and its work is gone (G6).
        (Outcome::Committed, RequestRefused::RolledBack { .. }) => Some(Err(Heuristic::Rollback)),
        (Outcome::RolledBack, RequestRefused::TransactionNotActive { .. } | RequestRefused::RolledBack { .. }) => {
            Some(Ok(()))
        }
        (Outcome::Committed | Outcome::RolledBack, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use handfast_protocol::{Bqual, Gtrid, RollbackReason, Xid};

    use super::*;

    #[test]
    fn what_refusals_mean_to_a_coordinator() {
        let xid = Xid { format_id: 1, gtrid: Gtrid::new(&b"g"[..]).unwrap(), bqual: Bqual::new(&b"b"[..]).unwrap() };
        let rolled_back = RequestRefused::RolledBack { xid: xid.clone(), reason: RollbackReason::TimedOut };
        let table = [
            (
                RequestRefused::TransactionNotActive { xid: xid.clone() },
                (NoVote::RolledBack, Some(Ok(())), Some(Ok(()))),
            ),
            (rolled_back, (NoVote::RolledBack, Some(Err(Heuristic::Rollback)), Some(Ok(())))),
            (RequestRefused::Unknown, (NoVote::Unknown, None, None)),
            (RequestRefused::NotPrepared { xid }, (NoVote::RollBackFirst, None, None)),
            (RequestRefused::NoSpace, (NoVote::RollBackFirst, None, None)),
        ];
        for (refused, expected) in table {
            let committed = ended_before(Outcome::Committed, &refused);
            let meant = (prepare_refused(&refused), committed, ended_before(Outcome::RolledBack, &refused));
            assert_eq!(meant, expected, "{refused:?}");
        }
    }
}
