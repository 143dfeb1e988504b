//! A row of the table: who dies where, what happens meanwhile, and how the transaction must have ended.

use std::fmt;

/// How the transaction commits (docs/protocol.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Local,
    /// PostgreSQL as last resource.
    Marker,
    /// SQLite as last resource.
    Sqlite,
    /// PostgreSQL prepares.
    TwoPhase,
    /// A coordinator alone, a queue manager to receive from, another to send to, and PostgreSQL as last resource.
    StandaloneMarker,
    /// The same, and PostgreSQL prepares.
    StandaloneTwoPhase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The application.
    Client,
    /// Who coordinates: the queue manager, or the coordinator alone.
    Coordinator,
    /// Whom the coordinator alone has the order received from.
    North,
    /// Whom it has the shipment sent to.
    South,
}

/// What happens while somebody stands still at a crash point (`=stop`), before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    PostgresDies,
    /// The coordinator is killed, comes back, and ends what it can end.
    CoordinatorDies,
    /// The coordinator waits for the client for as long as it does, and ends the transaction.
    PatienceEnds,
    /// The transaction's time runs out.
    TimeRunsOut,
    /// The order's time to be received runs out (crash point 41).
    OrderExpires,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Committed,
    RolledBack,
    /// It depends on who was faster; but one of the two, for everybody.
    Either,
}

#[derive(Debug)]
pub struct Row {
    /// The crash points of the table that it stands for.
    pub numbers: &'static str,
    pub way: Way,
    /// Who comes to which crash point. All but the client come back when they have died.
    pub crashes: &'static [(Who, &'static str)],
    /// Crash points at which the coordinator dies again, one start after the other.
    pub again: &'static [&'static str],
    /// For whoever stops.
    pub meanwhile: Option<Meanwhile>,
    /// The coordinator is stopped cleanly when the client has ended, and dies in that.
    pub at_stop: Option<&'static str>,
    pub ends: Ends,
}

impl Row {
    pub const fn new(numbers: &'static str, way: Way, crashes: &'static [(Who, &'static str)], ends: Ends) -> Row {
        Row { numbers, way, crashes, again: &[], meanwhile: None, at_stop: None, ends }
    }

    pub const fn while_stopped(self, meanwhile: Meanwhile) -> Row {
        Row { meanwhile: Some(meanwhile), ..self }
    }

    pub const fn and_again(self, again: &'static [&'static str]) -> Row {
        Row { again, ..self }
    }

    pub const fn at_stop(self, at: &'static str) -> Row {
        Row { at_stop: Some(at), ..self }
    }

    /// Where this one comes to its crash point.
    pub fn at(&self, who: Who) -> Option<&'static str> {
        self.crashes.iter().find(|(victim, _)| *victim == who).map(|(_, at)| *at)
    }

    /// The names of the crash points in it.
    pub fn points(&self) -> impl Iterator<Item = &'static str> {
        let all = self.crashes.iter().map(|(_, at)| *at).chain(self.again.iter().copied()).chain(self.at_stop);
        all.map(|at| at.split(['/', '#', '=']).next().expect("a split has a first part"))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {:?}", self.numbers, self.way)?;
        self.crashes.iter().try_for_each(|(who, at)| write!(f, ", {who:?} {at}"))?;
        self.again.iter().try_for_each(|at| write!(f, ", again {at}"))?;
        self.meanwhile.iter().try_for_each(|meanwhile| write!(f, ", {meanwhile:?}"))?;
        self.at_stop.iter().try_for_each(|at| write!(f, ", at its stop {at}"))
    }
}
