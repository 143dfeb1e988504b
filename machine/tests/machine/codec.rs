//! Log entries as bytes.

use bytes::Bytes;
use handfast_coordinator_core::Identity;
use handfast_machine::{Approach, Batch, Command, commands_in, decode_batch, encode_batch};
use handfast_protocol::{CoordinatorId, Incarnation, QueueName, Timestamp};
use handfast_queue::QueueSettings;
use proptest::prelude::*;
use uuid::Uuid;

fn batch() -> Batch {
    let name = QueueName::new("orders").unwrap();
    let create =
        handfast_queue::Command::CreateQueue { name, settings: QueueSettings::default(), principal: String::new() };
    let leadership = Uuid::from_u128(1);
    let (manager_id, incarnation) = (Uuid::from_u128(2), Incarnation(3));
    let begin = Command::BeginEpoch { leadership, manager_id, incarnation, level: 1 };
    let visitor = Identity { coordinator: CoordinatorId(Uuid::from_u128(7)), incarnation: Incarnation(8), epoch: 9 };
    let attach = |approach| Command::Attach { visitor, approach };
    let attaches = [Approach::First, Approach::Again, Approach::Adopt].map(attach);
    let commands = [begin, Command::Queue(create)].into_iter().chain(attaches).collect();
    Batch { epoch: 4, now: Timestamp(5), number: 6, commands }
}

#[test]
fn an_entry_reads_back() {
    let entry = encode_batch(&batch());
    assert_eq!(decode_batch(&entry), Ok(batch()));
    assert_eq!(commands_in(&entry) as usize, batch().commands.len());
    assert_eq!(commands_in(&entry.slice(..20)), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(decode_batch(&Bytes::from(bytes)));
    }

    #[test]
    fn a_damaged_entry_is_read_or_refused(at in 0usize..300, bit in 0u8..8, cut in 0usize..200) {
        let mut bytes = encode_batch(&batch()).to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        bytes.truncate(bytes.len() - cut % bytes.len());
        drop(decode_batch(&Bytes::from(bytes)));
    }
}
