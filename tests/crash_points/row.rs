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

/// What is special about the work of a row's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// An order is received, its row written, a shipment sent.
    Plain,
    /// A deferred constraint of the database refuses the row.
    Refused,
    /// A statement fails, and the client commits all the same: the database would answer ROLLBACK (P6).
    StatementFails,
    /// The database has flushed PREPARE or COMMIT, waits for a standby before it does anything else, and somebody dies meanwhile.
    Inside(Dies),
    /// The client gives the order up, whose queue allows one attempt.
    GivesUp,
    /// The client does nothing at the second queue manager, which votes read-only.
    SendsNothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dies {
    Client,
    Postgres,
}

/// What becomes of the log of whoever died before it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// What was written last and never synced is there in part.
    TornEnd,
    /// It comes back once, and then a byte flips below what was synced: it must not start before the byte is as it was.
    Flip,
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
    /// The order's time to be received runs out.
    OrderExpires,
    /// An operator purges the queue of the orders.
    QueuePurged,
    /// The sweep looks for branches that nobody leads, more than once.
    SweepsPass,
    /// The next sync of the log fails; the process ends by itself.
    SyncFails,
    /// Others prepare transactions at PostgreSQL until it takes no more.
    SlotsTaken,
    /// An operator rolls the prepared branch back at PostgreSQL.
    BranchRolledBack,
    /// PostgreSQL comes back as it was before the transaction.
    PostgresRestored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Committed,
    RolledBack,
    /// It depends on who was faster; but one of the two, for everybody.
    Either,
    /// Committed but for the database's branch, which somebody else has ended: it is reported, if the client was told already.
    Heuristic,
    /// The order is a dead letter, and nothing else has happened.
    DeadLetter,
}

#[derive(Debug)]
pub struct Row {
    /// The crash points of the table that it stands for.
    pub numbers: &'static str,
    pub way: Way,
    pub scene: Scene,
    /// Who comes to which crash point. All but the client come back when they have died.
    pub crashes: &'static [(Who, &'static str)],
    /// Crash points at which the coordinator dies again, one start after the other.
    pub again: &'static [&'static str],
    /// For whoever stops.
    pub meanwhile: Option<Meanwhile>,
    /// The coordinator is stopped cleanly when the client has ended, and dies in that.
    pub at_stop: Option<&'static str>,
    pub damage: Option<Damage>,
    /// Those who died stay away until others have gone on for a while.
    pub long_away: bool,
    pub ends: Ends,
}

impl Row {
    pub const fn new(numbers: &'static str, way: Way, crashes: &'static [(Who, &'static str)], ends: Ends) -> Row {
        let scene = Scene::Plain;
        let (meanwhile, at_stop, damage) = (None, None, None);
        Row { numbers, way, scene, crashes, again: &[], meanwhile, at_stop, damage, long_away: false, ends }
    }

    pub const fn with(self, scene: Scene) -> Row {
        Row { scene, ..self }
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

    pub const fn damaged(self, damage: Damage) -> Row {
        Row { damage: Some(damage), ..self }
    }

    pub const fn away_for_long(self) -> Row {
        Row { long_away: true, ..self }
    }

    pub fn has_own_postgres(&self) -> bool {
        let ends = [Meanwhile::PostgresDies, Meanwhile::PostgresRestored, Meanwhile::SlotsTaken];
        self.meanwhile.is_some_and(|meanwhile| ends.contains(&meanwhile)) || matches!(self.scene, Scene::Inside(_))
    }

    /// The numbers of the crash points that it stands for.
    pub fn numbers(&self) -> impl Iterator<Item = &'static str> {
        self.numbers.split(", ")
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
        if self.scene != Scene::Plain {
            write!(f, ", {:?}", self.scene)?;
        }
        self.crashes.iter().try_for_each(|(who, at)| write!(f, ", {who:?} {at}"))?;
        self.again.iter().try_for_each(|at| write!(f, ", again {at}"))?;
        self.meanwhile.iter().try_for_each(|meanwhile| write!(f, ", {meanwhile:?}"))?;
        self.damage.iter().try_for_each(|damage| write!(f, ", {damage:?}"))?;
        if self.long_away {
            write!(f, ", away for long")?;
        }
        self.at_stop.iter().try_for_each(|at| write!(f, ", at its stop {at}"))
    }
}
