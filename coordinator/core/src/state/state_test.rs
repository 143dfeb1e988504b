//! The rules that the state keeps; in the folder: refusals, the forgetting of outcomes, random commands.

mod forgetting;
mod properties;
mod refusals;

use handfast_protocol::{CoordinatorId, Heuristic, Incarnation, ResourceKind};
use handfast_store::MemStore;
use uuid::Uuid;

use super::*;
use crate::limits::RESOURCES_MAX;
use crate::{Branch, Command, Done, Refused, ResourceId};

fn identity(epoch: u64) -> Identity {
    Identity { coordinator: CoordinatorId(Uuid::from_u128(0xC0)), incarnation: Incarnation(1), epoch }
}

fn name(text: &str) -> ResourceName {
    ResourceName::new(text).unwrap()
}

fn resource(text: &str) -> Resource {
    Resource {
        name: name(text),
        kind: ResourceKind::PostgresMarker,
        address: "postgres://localhost/shop".to_owned(),
        resource_id: ResourceId(Uuid::from_u128(7)),
        schema: "public".to_owned(),
    }
}

fn branches(names: &[&str]) -> Vec<Branch> {
    names.iter().map(|text| Branch { resource: name(text) }).collect()
}

/// A state over a store in memory, in epoch 1, with the resources `ledger` and `stock`.
struct Kept {
    store: MemStore,
    state: State,
}

impl Kept {
    fn new() -> Kept {
        let store = MemStore::default();
        let state = State::open(&store).unwrap();
        let mut kept = Kept { store, state };
        kept.begin(1);
        for text in ["ledger", "stock"] {
            assert_eq!(kept.apply(0, Command::AddResource { resource: resource(text) }), Ok(Done::Recorded));
        }
        kept
    }

    fn begin(&mut self, epoch: u64) {
        let mut overlay = Overlay::new(&self.store);
        self.state.begin_epoch(&mut overlay, identity(epoch)).unwrap();
        let batch = overlay.into_batch();
        self.store.write(batch).unwrap();
    }

    fn apply(&mut self, now: u64, command: Command) -> Result<Done, Refused> {
        let mut overlay = Overlay::new(&self.store);
        let result = self.state.apply(&mut overlay, Timestamp(now), command).unwrap();
        let batch = overlay.into_batch();
        assert!(result.is_ok() || batch.is_empty(), "a refused command changes nothing");
        self.store.write(batch).unwrap();
        result
    }

    fn check(&self) {
        self.state.check_invariants(&self.store).unwrap().unwrap();
    }

    fn outcome(&self, id: GlobalId) -> Recorded {
        self.state.outcome(&self.store, id).unwrap()
    }
}

fn decided(outcome: Outcome) -> Recorded {
    Recorded::Decided { outcome, heuristic: None }
}

fn decide(id: GlobalId, names: &[&str]) -> Command {
    Command::Decide { id, branches: branches(names) }
}

fn delegate(id: GlobalId, to: &str, names: &[&str]) -> Command {
    Command::Delegate { id, resource: name(to), branches: branches(names) }
}

fn conclude(id: GlobalId, outcome: Outcome) -> Command {
    Command::Conclude { id, outcome, forced: false }
}

fn acknowledge(id: GlobalId, at: &str, heuristic: Option<Heuristic>) -> Command {
    Command::Acknowledge { id, resource: name(at), heuristic }
}

#[test]
fn p3_resources_are_bounded_and_replaced_when_nothing_is_in_doubt() {
    let mut kept = Kept::new();
    for number in 2..RESOURCES_MAX {
        let command = Command::AddResource { resource: resource(&format!("r{number}")) };
        assert_eq!(kept.apply(1, command), Ok(Done::Recorded));
    }
    let one_more = Command::AddResource { resource: resource("one-more") };
    assert_eq!(kept.apply(1, one_more), Err(Refused::TooManyResources { count: RESOURCES_MAX }));
    let replaced = Resource { kind: ResourceKind::PostgresTwoPhase, ..resource("ledger") };
    assert_eq!(kept.apply(1, Command::AddResource { resource: replaced.clone() }), Ok(Done::Recorded));
    assert_eq!(kept.state.resource(&name("ledger")), Some(&replaced));
    kept.check();
}

/// P2: the first record of a transaction is written in the epoch that began it, or never.
#[test]
fn p2_an_epoch_that_has_ended_decides_nothing() {
    let mut kept = Kept::new();
    let id = identity(1).id(1);
    kept.begin(2);
    assert_eq!(kept.apply(1, decide(id, &[])), Err(Refused::EpochEnded { id, epoch: 2 }));
    assert_eq!(kept.outcome(id), Recorded::Unknown);
}

/// P10: the host's sends stay locked while a branch is open, and the last acknowledgment says that they need not any more.
#[test]
fn p10_the_last_acknowledgment_ends_the_transaction() {
    let mut kept = Kept::new();
    let id = identity(1).id(1);
    assert_eq!(kept.apply(1, decide(id, &["ledger", "stock"])), Ok(Done::Decided(Outcome::Committed)));
    assert!(kept.state.has_open_branches(id));
    assert_eq!(kept.apply(2, acknowledge(id, "stock", None)), Ok(Done::Recorded));
    assert_eq!(kept.apply(2, acknowledge(id, "stock", None)), Ok(Done::Recorded), "asked twice");
    assert!(kept.state.has_open_branches(id));
    assert_eq!(kept.apply(3, acknowledge(id, "ledger", None)), Ok(Done::Ended(Outcome::Committed)));
    assert!(!kept.state.has_open_branches(id));
    assert_eq!(kept.apply(4, acknowledge(id, "ledger", None)), Ok(Done::Recorded), "asked again after the end");
    assert_eq!(kept.outcome(id), decided(Outcome::Committed));
    kept.check();
}

/// P11: without a row's word a delegated transaction has no outcome.
#[test]
fn p11_delegated_is_not_presumed() {
    let mut kept = Kept::new();
    let id = identity(1).id(1);
    assert_eq!(kept.apply(1, delegate(id, "ledger", &["stock"])), Ok(Done::Recorded));
    kept.begin(2);
    assert_eq!(kept.outcome(id), Recorded::Delegated);
    assert_eq!(kept.apply(2, conclude(id, Outcome::RolledBack)), Ok(Done::Decided(Outcome::RolledBack)));
    assert_eq!(kept.apply(2, conclude(id, Outcome::RolledBack)), Ok(Done::Decided(Outcome::RolledBack)), "asked twice");
    assert_eq!(kept.apply(3, acknowledge(id, "stock", None)), Ok(Done::Ended(Outcome::RolledBack)));
    assert_eq!(kept.outcome(id), decided(Outcome::RolledBack));
    kept.check();
}

/// G6: what was decided without the database stays until it is forgotten, and an ended transaction is opened again by a
/// heuristic outcome.
#[test]
fn p16_heuristic_outcomes_are_kept_until_forgotten() {
    let mut kept = Kept::new();
    let [forced, reopened, undone] = [1, 2, 3].map(|sequence| identity(1).id(sequence));
    let hazard = |outcome| Recorded::Decided { outcome, heuristic: Some(Heuristic::Hazard) };
    assert_eq!(kept.apply(1, delegate(forced, "ledger", &[])), Ok(Done::Recorded));
    let by_force = Command::Conclude { id: forced, outcome: Outcome::Committed, forced: true };
    assert_eq!(kept.apply(1, by_force), Ok(Done::Decided(Outcome::Committed)));
    assert_eq!(kept.apply(1, decide(reopened, &[])), Ok(Done::Decided(Outcome::Committed)));
    for (id, outcome) in [(reopened, Outcome::Committed), (undone, Outcome::RolledBack)] {
        assert_eq!(kept.apply(2, acknowledge(id, "stock", Some(Heuristic::Hazard))), Ok(Done::Recorded));
        assert_eq!(kept.outcome(id), hazard(outcome));
    }
    assert_eq!((kept.state.in_doubt_of(&name("ledger")), kept.state.in_doubt_of(&name("stock"))), (1, 2));
    kept.check();
    for (id, outcome) in [(forced, Outcome::Committed), (reopened, Outcome::Committed), (undone, Outcome::RolledBack)] {
        assert_eq!(kept.apply(3, Command::Forget { id }), Ok(Done::Recorded));
        assert_eq!(kept.outcome(id), hazard(outcome));
    }
    assert_eq!(kept.state.transactions().count(), 0);
    kept.check();
    // The older end of the one that ended twice is forgotten first, and takes nothing of the later one with it.
    assert_eq!(kept.apply(4, Command::ForgetOutcomes { before: Timestamp(3) }), Ok(Done::Recorded));
    assert_eq!(kept.outcome(reopened), hazard(Outcome::Committed));
    kept.check();
}

#[test]
fn the_heuristic_outcome_of_the_whole() {
    use Heuristic::{Commit, Hazard, Mixed, Rollback};
    let whole = |found: &[Option<Heuristic>]| {
        let branch = |(number, heuristic): (usize, &Option<Heuristic>)| RecordedBranch {
            resource: name(&format!("r{number}")),
            acknowledged: true,
            heuristic: *heuristic,
        };
        Transaction {
            id: identity(1).id(1),
            delegated_to: None,
            outcome: Some(Outcome::Committed),
            decision: 1,
            since: Timestamp(0),
            branches: found.iter().enumerate().map(branch).collect(),
        }
        .heuristic()
    };
    let table: [(&[Option<Heuristic>], Option<Heuristic>); 6] = [
        (&[None, None], None),
        (&[Some(Rollback)], Some(Rollback)),
        (&[Some(Rollback), None], Some(Mixed)),
        (&[Some(Rollback), Some(Commit)], Some(Mixed)),
        (&[Some(Rollback), Some(Rollback)], Some(Rollback)),
        (&[Some(Mixed), Some(Hazard), None], Some(Hazard)),
    ];
    for (found, expected) in table {
        assert_eq!(whole(found), expected, "{found:?}");
    }
}

#[test]
fn p14_what_is_cleared_survives() {
    let mut kept = Kept::new();
    let through = identity(1).id(9);
    let cleared = Command::MarkersCleared { resource: name("ledger"), through };
    assert_eq!(kept.apply(1, cleared), Ok(Done::Recorded));
    let reopened = State::open(&kept.store).unwrap();
    assert_eq!(reopened.markers_cleared(&name("ledger")), Some(through));
    assert_eq!(reopened.markers_cleared(&name("stock")), None);
}

#[test]
fn every_key_is_of_its_kind_and_below_its_end() {
    let id = identity(1).id(1);
    let keys = [
        (keys::identity(), keys::KeyKind::Identity),
        (keys::resource(&name("ledger")), keys::KeyKind::Resource),
        (keys::transaction(id), keys::KeyKind::Transaction),
        (keys::outcome(id), keys::KeyKind::Outcome),
        (keys::order(u64::MAX), keys::KeyKind::Order),
        (keys::horizon(), keys::KeyKind::Horizon),
    ];
    assert_eq!(keys.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), keys::KeyKind::ALL);
    for (key, kind) in keys {
        assert!(kind.start() <= key && key < kind.end());
        assert!((0xC0..=0xCF).contains(&key[0]), "the host and the queues use other first bytes");
    }
    assert_eq!(keys::read_id(&keys::outcome(id)), Some(id));
    assert_eq!(keys::read_name(&keys::resource(&name("ledger"))), Some(name("ledger")));
}

/// A corrupt record stops the start with its key (P29).
#[test]
fn p29_an_unreadable_record_is_named() {
    let mut kept = Kept::new();
    let mut overlay = Overlay::new(&kept.store);
    overlay.put(Family::State, keys::resource(&name("ledger")), vec![1, 2, 3]);
    let batch = overlay.into_batch();
    kept.store.write(batch).unwrap();
    let Err(StoreError::Unreadable { what, key, .. }) = State::open(&kept.store) else { panic!("it was read") };
    assert_eq!((what, key.as_str()), ("resource", "c16c6564676572"));
}
