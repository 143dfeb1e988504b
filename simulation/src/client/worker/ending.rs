//! From the request to commit to the known end.

use handfast_coordinator_core::{self as coordinator, KnownOutcome, Report, RequestRefused};
use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::{Heuristic, ResourceKind};

use super::Worker;
use super::step::{Attempt, Known, Step};
use crate::client::{Heard, Order, Told};
use crate::database::{Reply, Statement};
use crate::limits::CLIENT_WAIT;
use crate::names;
use crate::plan::Mutant;
use crate::server::ServerId;

impl Worker {
    pub(super) fn commit(&mut self) {
        self.step = Step::Committing;
        let is_two_phase = self.job.way.database() == Some(ResourceKind::PostgresTwoPhase);
        let is_prepared = is_two_phase && !self.attempt().found_nothing;
        let prepared = if is_prepared { vec![names::ledger()] } else { Vec::new() };
        let id = self.attempt().id;
        if self.job.combines {
            let messages = vec![self.shipment()];
            let ask = Request::SendCommit { id, prepared, messages };
            return self.orders.push(Order::Ask { server: ServerId::Queues, ask });
        }
        self.ask_coordinator(coordinator::Request::Commit { id, prepared });
    }

    pub(super) fn heard_ending(&mut self, heard: Heard) {
        match self.step {
            Step::Committing => self.heard_of_commit(heard),
            Step::Reporting { committed } => self.heard_of_report(committed, heard),
            Step::Asking => match outcome_in(heard) {
                Some(KnownOutcome::Undecided(_)) | None => self.pause(Step::AskingAgain),
                Some(KnownOutcome::Forgotten) => self.told(Told::Unknown),
                Some(known) => self.told(told_of(&known)),
            },
            // Whether it has heard or not: it learns from the coordinator that the branch is over.
            Step::RollingBackBranch => {
                self.step = Step::RollingBack;
                let ask = Request::Rollback { id: self.attempt().id, blame: None };
                self.orders.push(Order::Ask { server: self.coordinator(), ask });
            }
            // Whether the coordinator has heard it or not: commit was never asked, so it never will be.
            Step::RollingBack | Step::ClearingUp => self.told(Told::RolledBack),
            step => unreachable!("{step:?} is not the end of a transaction"),
        }
    }

    fn heard_of_commit(&mut self, heard: Heard) {
        match heard {
            Heard::Answer(Ok(Answer::Coordinator(coordinator::Answer::Go))) => {
                self.step = Step::Deciding;
                let id = self.attempt().id;
                self.orders.push(Order::Execute(Statement::Decide { id }));
            }
            Heard::Answer(Ok(Answer::Coordinator(coordinator::Answer::Outcome(known)))) => match known {
                KnownOutcome::Committed => self.let_go(Known::Committed),
                KnownOutcome::RolledBack(_) => self.let_go(Known::RolledBack),
                KnownOutcome::Undecided(_) => self.let_go(Known::NotYet),
                KnownOutcome::Heuristic(heuristic) => self.told(Told::Heuristic(heuristic)),
                KnownOutcome::Forgotten => self.told(Told::Unknown),
            },
            Heard::Answer(Err(refusal)) if may_have_happened(&refusal) => self.let_go(Known::NotYet),
            Heard::Lost if self.mutant == Mutant::TakesUnknownForRolledBack => self.let_go(Known::RolledBack),
            Heard::Lost => self.let_go(Known::NotYet),
            // This was the one request to commit, and it had no effect.
            Heard::Answer(Err(_)) | Heard::Unreachable => self.roll_back(),
            Heard::Answer(Ok(answer)) => panic!("{answer:?} does not answer a commit"),
        }
    }

    /// No `go` is taken any more: the last resource rolls back (P21).
    fn let_go(&mut self, known: Known) {
        if self.has_rows {
            self.step = Step::LettingGo { known };
            return self.orders.push(Order::Execute(Statement::Rollback));
        }
        self.conclude(known);
    }

    pub(super) fn conclude(&mut self, known: Known) {
        match known {
            Known::Committed => self.told(Told::Committed),
            Known::RolledBack => self.told(Told::RolledBack),
            Known::NotYet => self.ask_outcome(),
        }
    }

    /// The last resource has answered the deciding commit, or has not.
    pub(super) fn decided(&mut self, reply: Reply) {
        self.has_rows = false;
        match reply {
            Reply::Done => self.report(true),
            Reply::Fenced => {
                // The row decides; the coordinator wrote it.
                let ask = coordinator::Request::Report { id: self.attempt().id, report: Report::Uncertain };
                self.orders.push(Order::Tell { server: self.coordinator(), ask: Request::Coordinator(ask) });
                self.told(Told::RolledBack);
            }
            Reply::Busy | Reply::NoTransaction | Reply::Refused | Reply::Failed | Reply::RolledBack | Reply::Lost => {
                self.orders.push(Order::HangUp);
                self.report(self.mutant == Mutant::ReportsWhatItHopes);
            }
        }
    }

    pub(super) fn report(&mut self, committed: bool) {
        self.step = Step::Reporting { committed };
        let report = if committed { Report::Committed } else { Report::Uncertain };
        let id = self.attempt().id;
        self.ask_coordinator(coordinator::Request::Report { id, report });
    }

    fn heard_of_report(&mut self, committed: bool, heard: Heard) {
        if matches!(heard, Heard::Lost | Heard::Unreachable) {
            return self.pause(Step::ReportingAgain { committed });
        }
        match outcome_in(heard) {
            Some(KnownOutcome::Undecided(_) | KnownOutcome::Forgotten) | None => self.ask_outcome(),
            // The database has committed what the coordinator rolled back.
            Some(KnownOutcome::RolledBack(_)) if committed => self.told(Told::Heuristic(Heuristic::Mixed)),
            Some(known) => self.told(told_of(&known)),
        }
    }

    pub(super) fn ask_outcome(&mut self) {
        self.step = Step::Asking;
        let id = self.attempt().id;
        self.ask_coordinator(coordinator::Request::Outcome { id, wait: CLIENT_WAIT });
    }

    /// The database first: when the order is back in its queue, its row is free.
    pub(super) fn roll_back(&mut self) {
        if self.has_rows {
            self.step = Step::RollingBackRows;
            return self.orders.push(Order::Execute(Statement::Rollback));
        }
        let Attempt { id, blame, has_branch, .. } = self.attempt();
        let (id, blame) = (*id, blame.clone());
        if *has_branch {
            self.step = Step::RollingBackBranch;
            return self.roll_back_branch();
        }
        self.step = Step::RollingBack;
        self.orders.push(Order::Ask { server: self.coordinator(), ask: Request::Rollback { id, blame } });
    }
}

/// A refusal of the commit that leaves open whether it was done.
fn may_have_happened(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Coordinator(refused) => {
            matches!(**refused, RequestRefused::Unknown | RequestRefused::CommitUnderWay { .. })
        }
        _ => false,
    }
}

fn outcome_in(heard: Heard) -> Option<KnownOutcome> {
    match heard {
        Heard::Answer(Ok(Answer::Coordinator(coordinator::Answer::Outcome(known)))) => Some(known),
        Heard::Answer(_) | Heard::Lost | Heard::Unreachable => None,
    }
}

fn told_of(known: &KnownOutcome) -> Told {
    match known {
        KnownOutcome::Committed => Told::Committed,
        KnownOutcome::RolledBack(_) => Told::RolledBack,
        KnownOutcome::Heuristic(heuristic) => Told::Heuristic(*heuristic),
        KnownOutcome::Undecided(_) | KnownOutcome::Forgotten => Told::Unknown,
    }
}
