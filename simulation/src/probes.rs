//! Rare states that runs have reached, counted: a set of runs in which nothing interesting happens proves nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Index, IndexMut};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    Runs,
    Steps,
    Strikes,
    /// A server or a coordinator that had ended came back, and recovered what its disk kept.
    ServerRecoveries,
    DatabaseRecoveries,
    EntriesReplayed,
    /// Transactions that a restarted coordinator found in its log, delegated or decided and not ended.
    InDoubtRecovered,
    /// Prepared branches of another coordinator that a restarted queue manager found.
    BranchesRecovered,
    FencedCommitted,
    FencedRolledBack,
    /// Deciding commits that met the opposite row.
    LateDecisions,
    /// COMMIT PREPARED of a branch that was committed before (P7).
    CommittedBefore,
    /// Prepared branches that were rolled back.
    PreparedRolledBack,
    /// Questions that waited for a commit on the same key.
    Blocked,
    /// Rows that were visible before they were durable.
    VisibleEarly,
    ToldCommitted,
    ToldRolledBack,
    ToldUnknown,
    /// Commits whose clients were not told by the answer to their request.
    OutcomesAsked,
    /// Processes that ended by themselves, because their disk failed.
    Poisoned,
    /// Servers that stood still.
    Stalls,
    MarkersCleared,
    /// PREPAREs beyond `max_prepared_transactions` (P9).
    NoSlot,
    /// Leaderships that ended while their process went on.
    Deposed,
    /// Logs that were damaged below what was synced.
    Rotted,
    /// Requests that were refused because space ran low (P18).
    NoSpace,
    /// Transactions that were given up for their timeout (D6).
    TimedOut,
    /// Votes of a branch that had nothing to commit.
    ReadOnlyVotes,
    /// Prepared branches that an operator ended at their database.
    Forced,
    /// Transactions of which somebody was told that they ended in more than one way.
    ToldHeuristic,
    /// Bodies that were staged with their work (P26) and read after it was committed.
    BodiesRead,
    /// Resources that would not have a copy of their coordinator (P3).
    CopiesBarred,
    /// Sends of a producer that had been done before (P24).
    Repeated,
    /// Transactions that began with their first message.
    BegunWithMessage,
    /// Logs that ended in a part of a batch, which was cut.
    TornTails,
    /// Segments of a log that were changed while a branch was prepared.
    RolledWhilePrepared,
    /// Prepared branches that a restart found in the store, and their prepare in the log as well.
    StoredAndLogged,
    /// Recoveries that were struck before they served, and made again.
    RecoveriesAgain,
    /// Outcomes that were told because there was no record (presumed abort).
    Presumed,
    /// Votes to commit that came when their transaction had been given up: what they prepared was undone.
    LateVotes,
    /// Commits at the queue manager of branches that were over.
    LateCommits,
    /// Messages whose time ran out while a prepared branch held them (P17).
    OverdueWhilePrepared,
    /// Heuristic outcomes that an operator has seen, and let be forgotten.
    HeuristicsForgotten,
    /// Purges of a queue of which a prepared branch held messages (P17).
    Purged,
    /// Runs in which a server ended with something in doubt: the checker demands that one was seen to recover it.
    MustRecover,
    /// Links that were cut for a while, and questions or answers that were lost so.
    Cuts,
    CallsCutOff,
    /// Statements that were cancelled while they ran.
    Cancelled,
    /// COMMITs and PREPAREs of a failed block, answered ROLLBACK (P6).
    FailedBlocks,
}

impl Probe {
    /// All of them, in the order in which a report tells them, with its words.
    pub const ALL: [(Probe, &'static str); 49] = [
        (Probe::Runs, "runs"),
        (Probe::Steps, "steps"),
        (Probe::Strikes, "strikes"),
        (Probe::ServerRecoveries, "recoveries of servers"),
        (Probe::DatabaseRecoveries, "recoveries of databases"),
        (Probe::EntriesReplayed, "entries replayed"),
        (Probe::InDoubtRecovered, "in doubt, recovered"),
        (Probe::BranchesRecovered, "prepared branches recovered"),
        (Probe::FencedCommitted, "fences: committed"),
        (Probe::FencedRolledBack, "fences: rolled back"),
        (Probe::LateDecisions, "late decisions kept out"),
        (Probe::CommittedBefore, "phase two done before"),
        (Probe::PreparedRolledBack, "prepared, rolled back"),
        (Probe::Blocked, "waited for a commit"),
        (Probe::VisibleEarly, "visible before durable"),
        (Probe::ToldCommitted, "told: committed"),
        (Probe::ToldRolledBack, "told: rolled back"),
        (Probe::ToldUnknown, "told: unknown"),
        (Probe::OutcomesAsked, "outcomes asked for"),
        (Probe::Poisoned, "disks failed"),
        (Probe::Stalls, "servers stood still"),
        (Probe::MarkersCleared, "marker rows cleared"),
        (Probe::NoSlot, "no slot to prepare"),
        (Probe::Deposed, "leaderships ended"),
        (Probe::Rotted, "logs damaged"),
        (Probe::NoSpace, "refused for want of space"),
        (Probe::TimedOut, "given up for their timeout"),
        (Probe::ReadOnlyVotes, "read-only votes"),
        (Probe::Forced, "branches ended by hand"),
        (Probe::ToldHeuristic, "told: heuristic"),
        (Probe::BodiesRead, "staged bodies read"),
        (Probe::CopiesBarred, "copies kept out"),
        (Probe::Repeated, "sends repeated"),
        (Probe::BegunWithMessage, "transactions begun with their first message"),
        (Probe::TornTails, "torn tails cut"),
        (Probe::RolledWhilePrepared, "segments changed beside a prepared branch"),
        (Probe::StoredAndLogged, "prepared branches in store and log"),
        (Probe::RecoveriesAgain, "recoveries struck and made again"),
        (Probe::Presumed, "outcomes presumed"),
        (Probe::LateVotes, "late votes undone"),
        (Probe::LateCommits, "late commits"),
        (Probe::OverdueWhilePrepared, "overdue beside a prepared branch"),
        (Probe::HeuristicsForgotten, "heuristic outcomes forgotten"),
        (Probe::Purged, "purges beside a prepared branch"),
        (Probe::MustRecover, "runs that must recover"),
        (Probe::Cuts, "links cut"),
        (Probe::CallsCutOff, "calls cut off"),
        (Probe::Cancelled, "statements cancelled"),
        (Probe::FailedBlocks, "failed blocks ended"),
    ];
}

/// How often each was reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes(BTreeMap<Probe, u64>);

impl Probes {
    pub fn of_one_run() -> Probes {
        Probes([(Probe::Runs, 1)].into())
    }

    pub fn add(&mut self, other: &Probes) {
        for (probe, count) in &other.0 {
            self[*probe] += count;
        }
    }
}

impl Index<Probe> for Probes {
    type Output = u64;

    fn index(&self, probe: Probe) -> &u64 {
        self.0.get(&probe).unwrap_or(&0)
    }
}

impl IndexMut<Probe> for Probes {
    fn index_mut(&mut self, probe: Probe) -> &mut u64 {
        self.0.entry(probe).or_default()
    }
}

impl fmt::Display for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = Probe::ALL.iter().map(|(probe, what)| format!("{what} {}", self[*probe])).collect();
        f.write_str(&shown.join(", "))
    }
}
