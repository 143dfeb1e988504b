//! Mistakes that the rules forbid. Each has a small configuration in which the checker finds what it breaks: so the properties
//! are shown to bite.

use crate::configurations::NONE;
use crate::properties::{ATOMIC, NO_HAZARD, ONE_DECISION, QUIET, READ_ONLY, ROW, SETTLES, TOLD, VOTED};
use crate::{Configuration, Faults, Kind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Against P11: a leader that finds `Delegated` and no more takes it for nothing.
    PresumesDelegatedRolledBack,
    /// Against P11: a timeout means rolled back.
    TakesSilenceForRollback,
    /// Against P12: no row means rolled back, and no row is left there.
    LooksWithoutFence,
    /// Against P12: a row that is visible is believed before it is durable.
    TrustsVisibleRow,
    /// Against P13: the client's commit is not synchronous.
    CommitsWithoutSync,
    /// Against `marker 4`.
    SendsGoBeforeDelegated,
    /// Against `standalone 4`.
    CommitsBeforeAllVotes,
    /// Against P6: the tag ROLLBACK is not read.
    TakesSilentRollbackForVote,
    /// Against `branch 2`.
    VotesBeforeDurable,
    /// Against `branch 1`: what was lost with its connection is started again under its xid, for the rest of the work.
    StartsLostBranchAgain,
    /// Against P17: told when it is proposed.
    AnswersBeforeDecided,
    /// Against `branch 3`: acknowledged when it is appended.
    AcknowledgesBeforeDurable,
    /// Against `one-log 7`.
    ForgetsBeforeAllAcknowledged,
    /// Against P20.
    TellsRolledBackBelowHorizon,
    /// Against P2: apply does not compare epochs.
    AppliesStaleCommands,
    /// Against P2: what was proposed in an earlier epoch is proposed again in its successor.
    ProposesAgainInNewEpoch,
    /// Against P2: asked before `BeginEpoch` is applied, and answers.
    ServesBeforeEpoch,
    /// Against P8: a branch of a live transaction of this epoch is rolled back.
    SweepsLiveBranches,
    /// Against `branch 2`: the branch has been forgotten.
    TellsReadOnlyVoters,
    /// Against `branch 4`: what `branch 3` says of phase two is taken to hold of a commit in one phase.
    TakesNotKnownForCommitted,
    /// Against `one-log 6`: told once.
    NeverTellsAgain,
    /// Against P8: a branch that was prepared late is nobody's.
    NeverSweeps,
}

impl Mistake {
    pub const ALL: [Mistake; 22] = [
        Mistake::PresumesDelegatedRolledBack,
        Mistake::TakesSilenceForRollback,
        Mistake::LooksWithoutFence,
        Mistake::TrustsVisibleRow,
        Mistake::CommitsWithoutSync,
        Mistake::SendsGoBeforeDelegated,
        Mistake::CommitsBeforeAllVotes,
        Mistake::TakesSilentRollbackForVote,
        Mistake::VotesBeforeDurable,
        Mistake::StartsLostBranchAgain,
        Mistake::AnswersBeforeDecided,
        Mistake::AcknowledgesBeforeDurable,
        Mistake::ForgetsBeforeAllAcknowledged,
        Mistake::TellsRolledBackBelowHorizon,
        Mistake::AppliesStaleCommands,
        Mistake::ProposesAgainInNewEpoch,
        Mistake::ServesBeforeEpoch,
        Mistake::SweepsLiveBranches,
        Mistake::TellsReadOnlyVoters,
        Mistake::TakesNotKnownForCommitted,
        Mistake::NeverTellsAgain,
        Mistake::NeverSweeps,
    ];

    /// What it violates. The first is what the checker is to find; the others may be found on the way.
    pub fn violates(self) -> &'static [&'static str] {
        match self {
            Mistake::PresumesDelegatedRolledBack => &[ROW, ATOMIC, QUIET, SETTLES],
            Mistake::TakesSilenceForRollback | Mistake::LooksWithoutFence => &[ATOMIC, ROW, TOLD, NO_HAZARD],
            Mistake::TrustsVisibleRow | Mistake::CommitsWithoutSync => &[ROW, ATOMIC, TOLD, NO_HAZARD],
            Mistake::SendsGoBeforeDelegated
            | Mistake::AcknowledgesBeforeDurable
            | Mistake::ForgetsBeforeAllAcknowledged => &[ATOMIC, TOLD],
            Mistake::CommitsBeforeAllVotes => &[VOTED, ATOMIC, TOLD],
            Mistake::TakesSilentRollbackForVote => &[NO_HAZARD, VOTED, TOLD],
            Mistake::VotesBeforeDurable => &[VOTED, TOLD],
            Mistake::StartsLostBranchAgain => &[VOTED],
            Mistake::AnswersBeforeDecided
            | Mistake::TellsRolledBackBelowHorizon
            | Mistake::TakesNotKnownForCommitted => &[TOLD],
            Mistake::AppliesStaleCommands | Mistake::ProposesAgainInNewEpoch => &[ONE_DECISION, TOLD, QUIET, SETTLES],
            Mistake::ServesBeforeEpoch | Mistake::SweepsLiveBranches => &[ONE_DECISION, TOLD],
            Mistake::TellsReadOnlyVoters => &[READ_ONLY],
            Mistake::NeverTellsAgain => &[QUIET, SETTLES],
            Mistake::NeverSweeps => &[SETTLES, QUIET],
        }
    }

    /// The smallest one that shows it.
    pub fn configuration(self) -> Configuration {
        let small = Configuration { name: "mistaken", faults: Faults::Reorders, crashes: 0, ..NONE };
        let marker = Configuration { last: true, branches: &[Kind::Service], ..small };
        let service = Configuration { branches: &[Kind::Service], ..small };
        match self {
            Mistake::TakesSilenceForRollback | Mistake::LooksWithoutFence => marker,
            Mistake::PresumesDelegatedRolledBack
            | Mistake::TrustsVisibleRow
            | Mistake::CommitsWithoutSync
            | Mistake::SendsGoBeforeDelegated => Configuration { crashes: 1, ..marker },
            Mistake::CommitsBeforeAllVotes | Mistake::ForgetsBeforeAllAcknowledged => {
                Configuration { branches: &[Kind::Service, Kind::Service], ..small }
            }
            Mistake::TakesSilentRollbackForVote => Configuration { branches: &[Kind::Database], ..small },
            Mistake::AnswersBeforeDecided | Mistake::SweepsLiveBranches => service,
            Mistake::VotesBeforeDurable | Mistake::StartsLostBranchAgain => Configuration { crashes: 1, ..service },
            Mistake::AcknowledgesBeforeDurable => Configuration { local: true, forgets: true, crashes: 1, ..service },
            Mistake::TellsRolledBackBelowHorizon => Configuration { forgets: true, crashes: 1, ..service },
            Mistake::AppliesStaleCommands | Mistake::ProposesAgainInNewEpoch | Mistake::ServesBeforeEpoch => {
                Configuration { leader_changes: 1, ..service }
            }
            Mistake::TellsReadOnlyVoters => Configuration { branches: &[Kind::Service, Kind::ReadOnly], ..small },
            Mistake::TakesNotKnownForCommitted => Configuration { one_phase: true, ..service },
            Mistake::NeverTellsAgain | Mistake::NeverSweeps => Configuration { faults: Faults::Loses, ..service },
        }
    }
}
