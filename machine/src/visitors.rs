//! The coordinators that have attached to this queue manager as their resource, each with its last visit (P3).
//!
//! A coordinator whose last visit was another incarnation or a later epoch is a copy, or was set back: it is told, and nothing
//! is advanced until its operator says `adopt`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use handfast_coordinator_core::Identity;
use handfast_protocol::{CoordinatorId, Incarnation};
use handfast_store::{Family, Overlay, Store, StoreError};
use uuid::Uuid;

use crate::codec::{decode_visit, encode_visit};
use crate::limits::VISITORS_MAX;
use crate::state::unreadable;

/// The records' keys: this byte, then the coordinator's 16.
const KEY: u8 = 0xF2;

/// When a coordinator was here last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub incarnation: Incarnation,
    pub epoch: u64,
}

/// How a coordinator presents itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approach {
    /// This queue manager is being registered there.
    First,
    /// It was registered; the visits are compared.
    Again,
    /// The operator accepts whatever stands here.
    Adopt,
}

/// What applying an attach said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// The visit is recorded: the coordinator may go on.
    Recorded,
    /// Another incarnation or a later epoch of it was here.
    Ahead(Visit),
    /// It was never here, or so long ago that it is forgotten.
    Unknown,
    /// As many coordinators as are remembered have been here.
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Visitors {
    last: BTreeMap<CoordinatorId, Visit>,
}

impl Visitors {
    pub fn open(store: &dyn Store) -> Result<Visitors, StoreError> {
        let mut visitors = Visitors::default();
        let mut failed = None;
        store.scan(Family::State, &[KEY], &[KEY + 1], &mut |key, value| match read(key, value) {
            Ok((coordinator, visit)) => {
                visitors.last.insert(coordinator, visit);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(visitors), Err)
    }

    /// What an attach would say now. Incarnations are random: which of two is the later one cannot be told, so another one is
    /// ahead.
    pub fn judge(&self, visitor: Identity, approach: Approach) -> Attached {
        match (self.last.get(&visitor.coordinator), approach) {
            (Some(_), Approach::Adopt) => Attached::Recorded,
            (Some(last), _) if last.incarnation != visitor.incarnation || last.epoch > visitor.epoch => {
                Attached::Ahead(*last)
            }
            (Some(_), _) => Attached::Recorded,
            (None, Approach::Again) => Attached::Unknown,
            (None, Approach::First | Approach::Adopt) if self.last.len() >= VISITORS_MAX => Attached::TooMany,
            (None, Approach::First | Approach::Adopt) => Attached::Recorded,
        }
    }

    /// Whether this very visit is recorded already.
    pub fn knows(&self, visitor: Identity) -> bool {
        self.last.get(&visitor.coordinator) == Some(&visit_of(visitor))
    }

    /// Judged again: two attaches may have been under way.
    pub fn attach(&mut self, overlay: &mut Overlay<'_>, visitor: Identity, approach: Approach) -> Attached {
        let judged = self.judge(visitor, approach);
        if judged == Attached::Recorded {
            let visit = visit_of(visitor);
            overlay.put(Family::State, key_of(visitor.coordinator), encode_visit(&visit));
            self.last.insert(visitor.coordinator, visit);
        }
        judged
    }
}

fn visit_of(visitor: Identity) -> Visit {
    Visit { incarnation: visitor.incarnation, epoch: visitor.epoch }
}

fn key_of(coordinator: CoordinatorId) -> Bytes {
    std::iter::once(KEY).chain(*coordinator.0.as_bytes()).collect()
}

fn read(key: &[u8], value: &[u8]) -> Result<(CoordinatorId, Visit), StoreError> {
    let coordinator = Uuid::from_slice(&key[1..]).map_err(|cause| unreadable("visitor's key", key, &cause))?;
    let visit = decode_visit(&Bytes::copy_from_slice(value)).map_err(|cause| unreadable("visitor", key, &cause))?;
    Ok((CoordinatorId(coordinator), visit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(coordinator: u128, incarnation: u64, epoch: u64) -> Identity {
        let coordinator = CoordinatorId(Uuid::from_u128(coordinator));
        Identity { coordinator, incarnation: Incarnation(incarnation), epoch }
    }

    fn visitors(count: usize) -> Visitors {
        let visit = Visit { incarnation: Incarnation(7), epoch: 5 };
        let last = (1..=count as u128).map(|id| (CoordinatorId(Uuid::from_u128(id)), visit)).collect();
        Visitors { last }
    }

    #[test]
    fn p3_a_copy_and_a_stranger_wait_for_the_operator() {
        use Approach::{Adopt, Again, First};
        let ahead = Attached::Ahead(Visit { incarnation: Incarnation(7), epoch: 5 });
        let table = [
            (visitor(1, 7, 5), Again, Attached::Recorded),
            (visitor(1, 7, 6), Again, Attached::Recorded),
            (visitor(1, 7, 4), Again, ahead),
            (visitor(1, 7, 4), First, ahead),
            (visitor(1, 8, 6), Again, ahead),
            (visitor(1, 8, 1), Adopt, Attached::Recorded),
            (visitor(9, 7, 5), Again, Attached::Unknown),
            (visitor(9, 7, 5), First, Attached::Recorded),
            (visitor(9, 7, 5), Adopt, Attached::Recorded),
        ];
        for (visitor, approach, expected) in table {
            assert_eq!(visitors(1).judge(visitor, approach), expected, "{visitor:?} {approach:?}");
        }
    }

    #[test]
    fn a_visit_reads_back_and_a_damaged_one_is_refused() {
        let visit = Visit { incarnation: Incarnation(u64::MAX), epoch: 300 };
        let bytes = encode_visit(&visit);
        assert_eq!(decode_visit(&bytes), Ok(visit));
        for kept in 0..bytes.len() {
            assert!(decode_visit(&bytes.slice(..kept)).is_err(), "{kept} bytes of it");
        }
        let newer = Bytes::from([&[9], &bytes[1..]].concat());
        assert_eq!(decode_visit(&newer), Err(crate::codec::BatchUnreadable::Version(9)));
    }

    #[test]
    fn one_more_coordinator_than_is_remembered_is_refused() {
        let full = visitors(VISITORS_MAX);
        let stranger = visitor(u128::MAX, 1, 1);
        assert_eq!(full.judge(stranger, Approach::First), Attached::TooMany);
        assert_eq!(full.judge(stranger, Approach::Adopt), Attached::TooMany);
        assert_eq!(full.judge(visitor(1, 7, 6), Approach::Again), Attached::Recorded);
    }
}
