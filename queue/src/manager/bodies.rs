//! Bodies that arrive in parts, until a send names them (P26).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ConnectionId;
use super::limits::STAGED_RECORD_BYTES;
use crate::BodyId;
use crate::limits::BODY_PART_BYTES;

/// One body on its way.
#[derive(Debug)]
pub(super) struct StagedBody {
    pub connection: ConnectionId,
    pub length: usize,
    /// Whole parts, in the log or on their way there.
    pub parts: u32,
    /// What does not fill a part yet; charged to the budget of active branches.
    pub tail: Bytes,
    /// What it holds of the budget of staged bytes, the last part to come included.
    pub staged_charge: usize,
}

/// The bodies that no send has named yet.
#[derive(Debug, Default)]
pub(super) struct StagedBodies {
    staged: BTreeMap<BodyId, StagedBody>,
}

impl StagedBodies {
    pub fn insert(&mut self, id: BodyId, body: StagedBody) {
        self.staged.insert(id, body);
    }

    /// The body, if this connection staged it.
    pub fn get(&self, id: BodyId, connection: ConnectionId) -> Option<&StagedBody> {
        self.staged.get(&id).filter(|body| body.connection == connection)
    }

    pub fn get_mut(&mut self, id: BodyId) -> Option<&mut StagedBody> {
        self.staged.get_mut(&id)
    }

    pub fn remove(&mut self, id: BodyId) -> Option<StagedBody> {
        self.staged.remove(&id)
    }

    pub fn len(&self) -> usize {
        self.staged.len()
    }

    pub fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&BodyId, &StagedBody)> {
        self.staged.iter()
    }
}

impl StagedBody {
    pub fn new(connection: ConnectionId) -> StagedBody {
        StagedBody { connection, length: 0, parts: 0, tail: Bytes::new(), staged_charge: 0 }
    }
}

/// Cuts bytes into whole parts and what is left over: every part of a body but the last has the same size.
pub(super) fn cut(tail: &Bytes, bytes: Bytes) -> (Vec<Bytes>, Bytes) {
    let joined = if tail.is_empty() { bytes } else { Bytes::from([tail.as_ref(), bytes.as_ref()].concat()) };
    let whole = joined.len() - joined.len() % BODY_PART_BYTES;
    let parts = parts(&joined.slice(..whole)).collect();
    // A copy, so that a small rest does not keep a large frame alive.
    (parts, Bytes::copy_from_slice(&joined[whole..]))
}

/// The parts of a whole body.
pub(super) fn parts(body: &Bytes) -> impl Iterator<Item = Bytes> {
    let starts = (0..body.len()).step_by(BODY_PART_BYTES);
    starts.map(move |start| body.slice(start..body.len().min(start + BODY_PART_BYTES)))
}

/// What a whole body is charged when it is written ahead: its records, however long they are. They take no memory, and what they
/// take of the disk is for the reserve to bound (P18).
pub(super) fn staged_charge(length: usize) -> usize {
    length.div_ceil(BODY_PART_BYTES) * STAGED_RECORD_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_whole_but_the_last(lengths in prop::collection::vec(0..3 * BODY_PART_BYTES, 0..6)) {
            let (mut tail, mut whole, mut sent) = (Bytes::new(), Vec::new(), Vec::new());
            for (fill, length) in lengths.into_iter().enumerate() {
                let piece = vec![u8::try_from(fill).unwrap(); length];
                sent.extend_from_slice(&piece);
                let (parts, rest) = cut(&tail, piece.into());
                prop_assert!(parts.iter().all(|part| part.len() == BODY_PART_BYTES));
                prop_assert!(rest.len() < BODY_PART_BYTES);
                whole.extend(parts);
                tail = rest;
            }
            whole.push(tail);
            prop_assert_eq!(whole.concat(), sent);
        }
    }
}
