//! Round trips, fixtures of every stored form, and arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::limits::BRANCHES_MAX;
use crate::state::{RecordedBranch, Transaction};
use crate::{Branch, Command, Identity, Resource, ResourceId};
use handfast_protocol::Timestamp;

fn ids() -> impl Strategy<Value = GlobalId> {
    any::<(u128, u64, u64, u64)>().prop_map(|(coordinator, incarnation, epoch, sequence)| {
        IdForm { coordinator, incarnation, epoch, sequence }.into()
    })
}

fn names() -> impl Strategy<Value = ResourceName> {
    "[a-z0-9_-]{1,48}".prop_map(|text| ResourceName::new(text).unwrap())
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![Outcome::Committed, Outcome::RolledBack])
}

fn heuristics() -> impl Strategy<Value = Option<Heuristic>> {
    let all = vec![Heuristic::Commit, Heuristic::Rollback, Heuristic::Mixed, Heuristic::Hazard];
    prop::option::of(prop::sample::select(all))
}

fn resources() -> impl Strategy<Value = Resource> {
    (names(), prop::sample::select(ResourceKind::ALL.to_vec()), ".{0,60}", any::<u128>(), ".{0,60}").prop_map(
        |(name, kind, address, id, schema)| Resource {
            name,
            kind,
            address,
            resource_id: ResourceId(Uuid::from_u128(id)),
            schema,
        },
    )
}

fn branches() -> impl Strategy<Value = Vec<Branch>> {
    prop::collection::vec(names().prop_map(|resource| Branch { resource }), 0..=BRANCHES_MAX)
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        resources().prop_map(|resource| Command::AddResource { resource }),
        names().prop_map(|name| Command::RemoveResource { name }),
        (ids(), names(), branches()).prop_map(|(id, resource, branches)| Command::Delegate { id, resource, branches }),
        (ids(), branches()).prop_map(|(id, branches)| Command::Decide { id, branches }),
        (ids(), outcomes(), any::<bool>()).prop_map(|(id, outcome, forced)| Command::Conclude { id, outcome, forced }),
        (ids(), names(), heuristics()).prop_map(|(id, resource, heuristic)| Command::Acknowledge {
            id,
            resource,
            heuristic
        }),
        ids().prop_map(|id| Command::Forget { id }),
        any::<u64>().prop_map(|before| Command::ForgetOutcomes { before: Timestamp(before) }),
        (names(), ids()).prop_map(|(resource, through)| Command::MarkersCleared { resource, through }),
    ]
}

fn transactions() -> impl Strategy<Value = Transaction> {
    let branch = (names(), any::<bool>(), heuristics())
        .prop_map(|(resource, acknowledged, heuristic)| RecordedBranch { resource, acknowledged, heuristic });
    let branches = prop::collection::vec(branch, 0..=BRANCHES_MAX + 1);
    (ids(), prop::option::of(names()), prop::option::of(outcomes()), any::<(u64, u64)>(), branches).prop_map(
        |(id, delegated_to, outcome, (decision, since), branches)| Transaction {
            id,
            delegated_to,
            outcome,
            decision,
            since: Timestamp(since),
            branches,
        },
    )
}

fn encoded(command: &Command) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(command, &mut bytes);
    bytes
}

proptest! {
    #[test]
    fn commands_round_trip(command in commands()) {
        prop_assert_eq!(decode_command(&encoded(&command)), Ok(command));
    }

    #[test]
    fn records_round_trip(
        transaction in transactions(),
        resource in resources(),
        id in ids(),
        last in prop::option::of(names()),
        (outcome, heuristic, at, ordinal) in (outcomes(), heuristics(), any::<u64>(), any::<u64>()),
        cleared in prop::option::of(ids()),
    ) {
        let stored = encode_transaction(&transaction);
        prop_assert_eq!(decode_transaction(transaction.id, &stored), Ok(transaction));
        let stored = encode_resource(&resource, cleared);
        prop_assert_eq!(decode_resource(resource.name.clone(), &stored), Ok((resource, cleared)));
        let record = OutcomeRecord { outcome, heuristic, delegated_to: last, ordinal };
        prop_assert_eq!(decode_outcome(&encode_outcome(&record)), Ok(record));
        let record = OrderRecord { ended_at: Timestamp(at), id };
        prop_assert_eq!(decode_order(&encode_order(&record)), Ok(record));
        let record = HorizonRecord { highest: cleared, oldest: ordinal };
        prop_assert_eq!(decode_horizon(&encode_horizon(&record)), Ok(record));
        let identity = Identity { coordinator: id.coordinator, incarnation: id.incarnation, epoch: id.epoch };
        prop_assert_eq!(decode_identity(&encode_identity(&identity)), Ok(identity));
    }

    /// Whatever is read, is what would have been written; nothing panics, and no length is believed.
    #[test]
    fn arbitrary_bytes_are_refused_or_read(mut bytes in prop::collection::vec(any::<u8>(), 0..200), valid: bool) {
        if let (true, Some(first)) = (valid, bytes.first_mut()) {
            *first = VERSION;
        }
        if let Ok(command) = decode_command(&bytes) {
            prop_assert_eq!(decode_command(&encoded(&command)), Ok(command));
        }
        let id = GlobalId::from(IdForm { coordinator: 0, incarnation: 0, epoch: 0, sequence: 0 });
        decode_transaction(id, &bytes).ok();
        decode_resource(ResourceName::new("ledger").unwrap(), &bytes).ok();
        decode_outcome(&bytes).ok();
        decode_order(&bytes).ok();
        decode_horizon(&bytes).ok();
        decode_identity(&bytes).ok();
    }

    #[test]
    fn a_flipped_or_cut_command_never_panics(command in commands(), at: prop::sample::Index, flip: u8) {
        let mut bytes = encoded(&command);
        let at = at.index(bytes.len());
        decode_command(&bytes[..at]).expect_err("a part of a command is no command");
        bytes[at] ^= flip;
        decode_command(&bytes).ok();
    }
}

#[test]
fn a_newer_version_is_named() {
    let newer = CommandUnreadable::Version { version: 2, newest: 1 };
    assert_eq!(decode_command(&[2, 0]), Err(newer));
    assert_eq!(decode_identity(&[9]), Err(RecordUnreadable::Version { version: 9 }));
    assert_eq!(decode_identity(&[]), Err(RecordUnreadable::Empty));
    let mut long =
        encode_identity(&Identity { coordinator: CoordinatorId(Uuid::nil()), incarnation: Incarnation(0), epoch: 0 })
            .to_vec();
    long.push(0);
    assert_eq!(decode_identity(&long), Err(RecordUnreadable::Malformed("1 bytes are left over".to_owned())));
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name(text: &str) -> ResourceName {
    ResourceName::new(text).unwrap()
}

fn id() -> GlobalId {
    IdForm { coordinator: 0xC0, incarnation: 300, epoch: 2, sequence: 3 }.into()
}

fn resource() -> Resource {
    Resource {
        name: name("ledger"),
        kind: ResourceKind::PostgresTwoPhase,
        address: "a".to_owned(),
        resource_id: ResourceId(Uuid::from_u128(7)),
        schema: "s".to_owned(),
    }
}

/// The stored forms as they were first written. A change here is a change of format: give it a new version, keep these.
#[test]
fn fixtures_of_commands() {
    let stock = vec![Branch { resource: name("stock") }];
    let hazard = Some(Heuristic::Hazard);
    let table = [
        (Command::AddResource { resource: resource() }, "0100066c656467657202016107017300"),
        (Command::RemoveResource { name: name("ledger") }, "0101066c6564676572"),
        (
            Command::Delegate { id: id(), resource: name("ledger"), branches: stock.clone() },
            "0102c0fb2c010203066c6564676572010573746f636b",
        ),
        (Command::Decide { id: id(), branches: stock }, "0103c0fb2c010203010573746f636b"),
        (Command::Conclude { id: id(), outcome: Outcome::RolledBack, forced: true }, "0104c0fb2c0102030201"),
        (
            Command::Acknowledge { id: id(), resource: name("stock"), heuristic: hazard },
            "0105c0fb2c0102030573746f636b0104",
        ),
        (Command::Forget { id: id() }, "0106c0fb2c010203"),
        (Command::ForgetOutcomes { before: Timestamp(5) }, "010705"),
        (Command::MarkersCleared { resource: name("ledger"), through: id() }, "0108066c6564676572c0fb2c010203"),
    ];
    for (command, bytes) in table {
        assert_eq!(hexadecimal(&encoded(&command)), bytes, "{command:?}");
    }
}

/// As above, for the records of the store.
#[test]
fn fixtures_of_records() {
    let branch = RecordedBranch { resource: name("stock"), acknowledged: true, heuristic: None };
    let transaction = Transaction {
        id: id(),
        delegated_to: Some(name("ledger")),
        outcome: Some(Outcome::Committed),
        decision: 4,
        since: Timestamp(5),
        branches: vec![branch],
    };
    let outcome = OutcomeRecord {
        outcome: Outcome::Committed,
        heuristic: Some(Heuristic::Mixed),
        delegated_to: Some(name("ledger")),
        ordinal: 6,
    };
    let order = OrderRecord { ended_at: Timestamp(5), id: id() };
    let horizon = HorizonRecord { highest: Some(id()), oldest: 6 };
    let GlobalId { coordinator, incarnation, epoch, .. } = id();
    let table = [
        (encode_resource(&resource(), Some(id())), "0102016107017301c0fb2c010203"),
        (encode_transaction(&transaction), "0101066c656467657201010405010573746f636b0100"),
        (encode_outcome(&outcome), "0101010301066c656467657206"),
        (encode_order(&order), "0105c0fb2c010203"),
        (encode_horizon(&horizon), "0101c0fb2c01020306"),
        (encode_identity(&Identity { coordinator, incarnation, epoch }), "01c0fb2c0102"),
    ];
    for (stored, bytes) in table {
        assert_eq!(hexadecimal(&stored), bytes);
    }
}
