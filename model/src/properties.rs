//! What must hold in every state, and the rare states that must be reached, or the first would mean little.
//!
//! Each is judged from the state, or from what [`History`](crate::state::History) kept of the way to it; no party reads that.

use stateright::Property;

use crate::state::{
    Branch, Client, Command, Deposed, Entry, Mode, OfBranch, OfWhole, Outcome, Phase, Record, Row, Stage, State,
};
use crate::{Kind, Protocol};

/// G1.
pub const ATOMIC: &str = "no branch commits while another rolls back";
/// D4: a vote is given when it is durable, and for all the work.
pub const VOTED: &str = "a commit has every vote";
/// "What the client is told", and P20.
pub const TOLD: &str = "what the client is told is what happened";
/// P2.
pub const ONE_DECISION: &str = "one decision over all epochs";
/// P11, P12.
pub const ROW: &str = "a delegated transaction ends as its row says";
/// `branch 2`.
pub const READ_ONLY: &str = "who voted read-only is told nothing more";
/// P7, P12.
pub const NO_HAZARD: &str = "nobody ends otherwise than told";
/// G6.
pub const QUIET: &str = "where nothing is left to do, nobody is in doubt";
/// G6, from wherever faults have led.
pub const SETTLES: &str = "once all are up and heard, it ends";

/// What must hold in every state.
pub const ALWAYS: [&str; 9] = [ATOMIC, VOTED, TOLD, ONE_DECISION, ROW, READ_ONLY, NO_HAZARD, QUIET, SETTLES];

pub(crate) fn of(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::always(ATOMIC, atomic),
        Property::always(VOTED, voted),
        Property::always(TOLD, told),
        Property::always(ONE_DECISION, one_decision),
        Property::always(ROW, row),
        Property::always(READ_ONLY, read_only),
        Property::always(NO_HAZARD, |_, state: &State| !state.history.hazard),
        Property::always(QUIET, |protocol: &Protocol, state| !protocol.is_quiet(state) || protocol.has_ended(state)),
        Property::always(SETTLES, Protocol::settles),
    ];
    if protocol.mistake.is_none() {
        properties.extend(reached(protocol));
    }
    properties
}

/// The branches, the row, and the queues in the coordinator's own log, which do as its record says.
fn atomic(protocol: &Protocol, state: &State) -> bool {
    let branches = || protocol.configuration.slots().iter().map(|slot| state.branch(slot));
    let commits = branches().any(Branch::commits)
        || state.last.row.outcome() == Some(Outcome::Committed)
        || protocol.configuration.local && state.history.decided_committed;
    let rolls_back = branches().any(Branch::rolls_back) || state.last.row.outcome() == Some(Outcome::RolledBack);
    !(commits && rolls_back)
}

fn voted(protocol: &Protocol, state: &State) -> bool {
    let slots = protocol.configuration.slots();
    let commits = state.log.record.is_committed()
        || state.last.row.outcome() == Some(Outcome::Committed)
        || slots.iter().any(|slot| state.branch(slot).commits());
    !commits || state.history.voted.has_all(slots) && state.history.lost.is_empty()
}

fn told(protocol: &Protocol, state: &State) -> bool {
    let slots = || protocol.configuration.slots().iter().map(|slot| state.branch(slot));
    let durable =
        protocol.configuration.one_phase || state.log.record == Record::Forgotten || state.log.record.is_committed();
    let committed = durable
        && slots().all(|branch| branch.commits() || matches!(branch, Branch::Prepared | Branch::ReadOnly))
        && (!protocol.configuration.last || state.last.row == Row::Durable(Outcome::Committed));
    let rolled_back = !state.log.record.is_committed()
        && !slots().any(Branch::commits)
        && !state.history.decided_committed
        && state.last.row.outcome() != Some(Outcome::Committed);
    (!state.history.told_committed || committed) && (!state.history.told_rolled_back || rolled_back)
}

fn one_decision(_: &Protocol, state: &State) -> bool {
    !(state.history.decided_committed && state.history.decided_rolled_back)
}

fn row(protocol: &Protocol, state: &State) -> bool {
    let delegated = protocol.configuration.last && state.log.record != Record::None;
    let says = |outcome| state.last.row == Row::Durable(outcome);
    !delegated
        || (!state.history.decided_committed || says(Outcome::Committed))
            && (!state.history.decided_rolled_back || says(Outcome::RolledBack))
}

fn read_only(protocol: &Protocol, state: &State) -> bool {
    let named = |slot| matches!(state.log.record, Record::Decided { open, .. } if open.has(slot));
    let told = |slot| state.network.has(OfBranch::Commit, slot) || state.network.has(OfBranch::Rollback, slot);
    protocol
        .configuration
        .slots()
        .iter()
        .filter(|slot| state.branch(*slot) == Branch::ReadOnly)
        .all(|slot| !named(slot) && !told(slot))
}

type Condition = fn(&Protocol, &State) -> bool;

/// A rare state, and where it can be.
fn reached(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let configuration = &protocol.configuration;
    let branches = !configuration.branches.is_empty() && !configuration.one_phase;
    let crashes = configuration.crashes > 0;
    let conditions: [(bool, &'static str, Condition); 17] = [
        (true, "committed and told so", |_, state| state.history.told_committed),
        (true, "rolled back and told so", |_, state| state.history.told_rolled_back),
        (branches && crashes, "in doubt while the coordinator is down", in_doubt_alone),
        (branches && configuration.leaderships() > 1, "in doubt, asks a leader who knows nothing of it", presumed),
        (branches && crashes, "decided, found again, told again", told_again),
        (configuration.leader_changes > 0, "a command of an ended epoch is skipped", stale),
        (configuration.local, "the log refuses the first record", refused),
        (configuration.deposed && configuration.last, "a deposed leader says go", late_go),
        (configuration.forgets, "an outcome is forgotten", |_, state| state.network.hears(OfWhole::ToldForgotten)),
        (!configuration.of_kind(Kind::ReadOnly).is_empty(), "a read-only vote is taken", read_only_vote),
        (configuration.one_phase, "committed in one phase", |_, state| state.network.hears(OfWhole::OnePhaseCommitted)),
        (configuration.one_phase, "nobody can tell", |_, state| state.network.hears(OfWhole::ToldUnknown)),
        (configuration.last, "the fence wins", |_, state| state.network.hears(OfWhole::RowRefused)),
        (configuration.last, "the fence loses", |_, state| state.network.hears(OfWhole::FencedCommitted)),
        (configuration.last, "a commit arrives after the fence", late_commit),
        (configuration.last, "delegated and in doubt", |_, state| state.coordinator.phase == Phase::InDoubt),
        (configuration.last && crashes, "visible and not durable, and its client gone", orphaned_row),
    ];
    let wanted = conditions.into_iter().filter(|(possible, ..)| *possible);
    wanted.map(|(_, name, condition)| Property::sometimes(name, condition)).collect()
}

fn prepared(protocol: &Protocol, state: &State) -> bool {
    protocol.configuration.slots().iter().any(|slot| state.branch(slot) == Branch::Prepared)
}

fn in_doubt_alone(protocol: &Protocol, state: &State) -> bool {
    state.coordinator.mode == Mode::Down && prepared(protocol, state)
}

/// The next step presumes that it was rolled back, and nobody has before.
fn presumed(protocol: &Protocol, state: &State) -> bool {
    let asks = |slot| state.branch(slot) == Branch::Prepared && state.network.has(OfBranch::InDoubt, slot);
    state.coordinator.mode == Mode::Leading
        && state.coordinator.phase == Phase::Gone
        && state.log.record == Record::None
        && !state.history.decided_rolled_back
        && protocol.configuration.slots().iter().any(asks)
}

fn told_again(protocol: &Protocol, state: &State) -> bool {
    let told = |slot| state.branch(slot) == Branch::Prepared && state.network.has(OfBranch::Commit, slot);
    state.log.epoch.0 > 1 && state.coordinator.phase == Phase::Ending && protocol.configuration.slots().iter().any(told)
}

fn stale(_: &Protocol, state: &State) -> bool {
    let next = state.log.next();
    next.is_some_and(|entry| entry.command != Command::BeginEpoch && entry.epoch < state.log.epoch)
}

fn late_go(_: &Protocol, state: &State) -> bool {
    let delegated = |deposed: Deposed| deposed.coordinator.phase == Phase::Delegated;
    state.log.epoch.0 > 1 && state.deposed.is_some_and(delegated) && state.network.hears(OfWhole::Go)
}

fn refused(_: &Protocol, state: &State) -> bool {
    let next = state.log.next();
    let first = |entry: Entry| matches!(entry.command, Command::Decide | Command::Delegate);
    next.is_some_and(|entry| first(entry) && entry.epoch == state.log.epoch) && state.queue_is_gone
}

fn read_only_vote(protocol: &Protocol, state: &State) -> bool {
    protocol.configuration.slots().iter().any(|slot| state.stage(slot) == Stage::ReadOnly)
}

fn late_commit(_: &Protocol, state: &State) -> bool {
    state.last.open && state.last.row == Row::Durable(Outcome::RolledBack) && state.network.hears(OfWhole::CommitRow)
}

fn orphaned_row(_: &Protocol, state: &State) -> bool {
    let gone = matches!(state.client, Client::Down | Client::Asking);
    gone && state.last.row == Row::Visible(Outcome::Committed) && !state.last.client_waits
}
