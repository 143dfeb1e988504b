//! What the parties say to each other.

use super::slot::{SLOTS_MAX, Slot};

/// About one branch. A database is prepared by its client, so `Prepare` and the votes go between those two; between the
/// coordinator and a service they are the call and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfBranch {
    Prepare,
    VoteCommit,
    VoteReadOnly,
    VoteRollback,
    Commit,
    Rollback,
    DoneCommit,
    DoneRollback,
    /// The branch is prepared and waits: a scan found it (P8), or its resource manager asks (P20).
    InDoubt,
}

/// About the whole transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OfWhole {
    CommitAsked,
    RollbackAsked,
    ReportCommitted,
    ReportUncertain,
    OutcomeAsked,
    Go,
    ToldCommitted,
    ToldRolledBack,
    ToldForgotten,
    ToldUnknown,
    /// The client's own COMMIT at the last resource, with the marker row before it (`marker 6`).
    CommitRow,
    RowCommitted,
    /// The key of the marker row was taken (P21).
    RowRefused,
    /// P12
    Fence,
    FencedCommitted,
    FencedRolledBack,
    CommitOnePhase,
    OnePhaseCommitted,
    OnePhaseRolledBack,
    OnePhaseNotKnown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    Of(OfBranch, Slot),
    Whole(OfWhole),
}

const OF_BRANCH: [OfBranch; 9] = [
    OfBranch::Prepare,
    OfBranch::VoteCommit,
    OfBranch::VoteReadOnly,
    OfBranch::VoteRollback,
    OfBranch::Commit,
    OfBranch::Rollback,
    OfBranch::DoneCommit,
    OfBranch::DoneRollback,
    OfBranch::InDoubt,
];

const OF_WHOLE: [OfWhole; 20] = [
    OfWhole::CommitAsked,
    OfWhole::RollbackAsked,
    OfWhole::ReportCommitted,
    OfWhole::ReportUncertain,
    OfWhole::OutcomeAsked,
    OfWhole::Go,
    OfWhole::ToldCommitted,
    OfWhole::ToldRolledBack,
    OfWhole::ToldForgotten,
    OfWhole::ToldUnknown,
    OfWhole::CommitRow,
    OfWhole::RowCommitted,
    OfWhole::RowRefused,
    OfWhole::Fence,
    OfWhole::FencedCommitted,
    OfWhole::FencedRolledBack,
    OfWhole::CommitOnePhase,
    OfWhole::OnePhaseCommitted,
    OfWhole::OnePhaseRolledBack,
    OfWhole::OnePhaseNotKnown,
];

/// Bits that messages about branches take in a network.
const BRANCH_BITS: u8 = OF_BRANCH.len() as u8 * SLOTS_MAX;

const _: () = assert!(BRANCH_BITS as usize + OF_WHOLE.len() <= u64::BITS as usize, "a network is one word");

impl Message {
    /// Each message has a bit of its own.
    pub(super) fn bit(self) -> u8 {
        match self {
            Message::Of(word, slot) => word as u8 * SLOTS_MAX + slot.0,
            Message::Whole(word) => BRANCH_BITS + word as u8,
        }
    }

    pub(super) fn at(bit: u8) -> Message {
        match bit.checked_sub(BRANCH_BITS) {
            Some(whole) => Message::Whole(OF_WHOLE[usize::from(whole)]),
            None => Message::Of(OF_BRANCH[usize::from(bit / SLOTS_MAX)], Slot(bit % SLOTS_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_a_bit_of_its_own() {
        for bit in 0..BRANCH_BITS + OF_WHOLE.len() as u8 {
            assert_eq!(Message::at(bit).bit(), bit);
        }
    }
}
