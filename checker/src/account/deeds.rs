//! What one transaction did, as everybody tells it.

use crate::history::{Known, Message, Outcome, Row, State};

/// Where in the history, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The event's place in the history.
    pub number: usize,
    pub at: u64,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Fail,
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Send<'h> {
    pub moment: Moment,
    pub process: &'h str,
    pub transaction: Option<&'h str>,
    pub queue: &'h str,
    pub message: &'h Message,
    pub answer: Answer,
}

/// A message that was handed out.
#[derive(Debug, Clone)]
pub struct Receive<'h> {
    pub asked: Moment,
    pub moment: Moment,
    pub transaction: Option<&'h str>,
    pub queue: &'h str,
    pub message: &'h Message,
}

#[derive(Debug, Clone)]
pub struct Write<'h> {
    pub resource: &'h str,
    pub row: &'h Row,
    pub answer: Answer,
}

/// A step that became durable at a process.
#[derive(Debug, Clone)]
pub struct Step<'h> {
    pub moment: Moment,
    pub process: &'h str,
    pub state: &'h State,
    pub epoch: u64,
}

/// How a transaction ended, after everything that is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Committed,
    RolledBack,
}

#[derive(Debug, Clone, Default)]
pub struct Deeds<'h> {
    /// Who began it; nobody, if only servers speak of it.
    pub process: Option<&'h str>,
    pub began: Option<Moment>,
    pub sends: Vec<Send<'h>>,
    pub receives: Vec<Receive<'h>>,
    pub writes: Vec<Write<'h>>,
    /// When its end was asked for.
    pub ending: Option<Moment>,
    /// What its client was told, in order.
    pub told: Vec<(Moment, Outcome)>,
    /// Its client was told that it ended in more than one way.
    pub told_heuristic: bool,
    /// Its coordinator, and what that says at the end.
    pub coordinator: Option<&'h str>,
    pub known: Option<&'h Known>,
    pub steps: Vec<Step<'h>>,
    /// Where somebody ended a branch of it by hand, and how.
    pub forced: Vec<(&'h str, Outcome)>,
    pub timed_out: bool,
    /// Something that it did can be seen.
    pub is_visible: bool,
}

impl Deeds<'_> {
    /// By what the client was told; else by what its coordinator says; else by what can be seen, where a branch that somebody
    /// ended by hand shows nothing.
    pub fn fate(&self) -> Fate {
        let told = self.told.first().map(|(_, outcome)| *outcome);
        let known = match self.known {
            Some(Known::Ended(outcome)) => Some(*outcome),
            _ => None,
        };
        match told.or(known) {
            Some(Outcome::Committed) => Fate::Committed,
            Some(Outcome::RolledBack) => Fate::RolledBack,
            None if !self.forced.is_empty() && self.decided().is_none() => Fate::RolledBack,
            None if self.is_visible => Fate::Committed,
            None => Fate::RolledBack,
        }
    }

    pub fn is_committed(&self) -> bool {
        self.fate() == Fate::Committed
    }

    /// It ended in more than one way, or so somebody reports.
    pub fn is_reported_heuristic(&self) -> bool {
        self.told_heuristic || self.known == Some(&Known::Heuristic)
    }

    /// Somebody ended its branch at this process by hand.
    pub fn is_forced_at(&self, process: &str) -> bool {
        self.forced.iter().any(|(at, _)| *at == process)
    }

    /// The first step of this kind.
    pub fn first(&self, is_it: impl Fn(&Step<'_>) -> bool) -> Option<&Step<'_>> {
        self.steps.iter().find(|step| is_it(step))
    }

    /// When everything that commits it had become durable at whoever decides: its coordinator, its last resource, or the one
    /// queue manager that it was all about.
    pub fn decided(&self) -> Option<Moment> {
        let decides = |step: &Step<'_>| match step.state {
            State::Decided { outcome, .. } => *outcome == Outcome::Committed,
            State::Committed => {
                !self.has_prepared(step.process) && (self.is_left_to(step) || self.is_alone(step.process))
            }
            State::Prepared | State::ReadOnly | State::Delegated { .. } | State::RolledBack | State::Ended => false,
        };
        self.first(decides).map(|step| step.moment)
    }

    fn has_prepared(&self, process: &str) -> bool {
        self.steps.iter().any(|step| step.process == process && *step.state == State::Prepared)
    }

    /// The coordinator had left the decision to the step's process before (P11).
    fn is_left_to(&self, step: &Step<'_>) -> bool {
        let is_delegation = |other: &Step<'_>| match other.state {
            State::Delegated { to } => to == step.process,
            _ => false,
        };
        self.first(is_delegation).is_some_and(|delegation| delegation.moment.number < step.moment.number)
    }

    /// Nobody else has anything of it.
    fn is_alone(&self, process: &str) -> bool {
        self.steps.iter().all(|step| step.process == process)
    }
}
