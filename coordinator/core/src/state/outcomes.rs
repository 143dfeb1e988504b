//! Remembered outcomes (P20): records in the store, in the order in which they will be forgotten.
//!
//! Each outcome has an ordinal; ordinals have no gaps, so their count and the next one follow from the lowest and the highest.
//! Remembering an outcome costs two puts, forgetting one two deletes, and neither looks at any other.

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, Timestamp};
use handfast_store::{Family, Overlay, Store, StoreError};

use super::ended::Ended;
use super::{keys, unreadable};
use crate::Identity;
use crate::codec::{self, HorizonRecord, OrderRecord, OutcomeRecord};
use crate::limits::{OUTCOMES_FORGOTTEN_AT_ONCE_MAX, OUTCOMES_KEPT_MAX};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcomes {
    pub horizon: HorizonRecord,
    /// The ordinal of the next outcome.
    pub next: u64,
    pub ended: Ended,
}

/// What is remembered of a transaction that ends.
#[derive(Debug)]
pub(super) struct End<'a> {
    pub id: GlobalId,
    pub outcome: Outcome,
    pub heuristic: Option<Heuristic>,
    pub delegated_to: Option<&'a ResourceName>,
    pub at: Timestamp,
}

impl Outcomes {
    pub fn open(store: &dyn Store) -> Result<Outcomes, StoreError> {
        let horizon = match store.get(Family::State, &keys::horizon())? {
            Some(bytes) => codec::decode_horizon(&bytes).map_err(unreadable("horizon", &keys::horizon()))?,
            None => HorizonRecord::default(),
        };
        let next = first_free(store, horizon.oldest)?;
        Ok(Outcomes { horizon, next, ended: Ended::default() })
    }

    pub fn count(&self) -> u64 {
        self.next - self.horizon.oldest
    }

    /// The outcome that is forgotten next.
    pub fn oldest(&self, overlay: &Overlay<'_>) -> Result<Option<OrderRecord>, StoreError> {
        if self.count() == 0 {
            return Ok(None);
        }
        let key = keys::order(self.horizon.oldest);
        let missing = || StoreError::Unreadable {
            what: "order of outcomes",
            key: super::hexadecimal(&key),
            cause: "the record is missing".to_owned(),
        };
        let bytes = overlay.get(Family::State, &key)?.ok_or_else(missing)?;
        codec::decode_order(&bytes).map(Some).map_err(unreadable("order of outcomes", &key))
    }

    pub fn remember(&mut self, overlay: &mut Overlay<'_>, end: &End<'_>) {
        let record = OutcomeRecord {
            outcome: end.outcome,
            heuristic: end.heuristic,
            delegated_to: end.delegated_to.cloned(),
            ordinal: self.next,
        };
        let order = OrderRecord { ended_at: end.at, id: end.id };
        overlay.put(Family::State, keys::outcome(end.id), codec::encode_outcome(&record));
        overlay.put(Family::State, keys::order(self.next), codec::encode_order(&order));
        self.next += 1;
        self.ended.mark(end.id);
    }

    /// The epoch begins with the entry that is applied.
    pub fn begin_epoch(&mut self, overlay: &Overlay<'_>, identity: Identity) -> Result<(), StoreError> {
        let Identity { coordinator, incarnation, epoch } = identity;
        let id = |sequence| GlobalId { coordinator, incarnation, epoch, sequence };
        // A database may have told of a transaction that nobody here began.
        let told = overlay.scan(Family::State, &keys::outcome(id(0)), &keys::outcome(id(u64::MAX)), 1)?;
        self.ended.begin_epoch(told.is_empty().then_some(identity));
        Ok(())
    }

    /// What is remembered of a transaction.
    pub fn read(&self, overlay: &Overlay<'_>, id: GlobalId) -> Result<Option<OutcomeRecord>, StoreError> {
        if self.ended.may_have(id) { read(overlay, id) } else { Ok(None) }
    }

    /// Forgets what ended before `before` or is beyond the kept number, a bounded number at a time.
    pub fn forget(&mut self, overlay: &mut Overlay<'_>, before: Timestamp) -> Result<(), StoreError> {
        for _ in 0..OUTCOMES_FORGOTTEN_AT_ONCE_MAX {
            let Some(oldest) = self.oldest(overlay)? else {
                break;
            };
            if oldest.ended_at >= before && self.count() <= OUTCOMES_KEPT_MAX {
                break;
            }
            overlay.delete(Family::State, keys::order(self.horizon.oldest));
            // A transaction that was opened again by a late heuristic ended twice: its later end stays.
            if read(overlay, oldest.id)?.is_some_and(|record| record.ordinal == self.horizon.oldest) {
                overlay.delete(Family::State, keys::outcome(oldest.id));
                self.raise(oldest.id);
            }
            self.horizon.oldest += 1;
        }
        overlay.put(Family::State, keys::horizon(), codec::encode_horizon(&self.horizon));
        Ok(())
    }

    /// Ids of another incarnation have no order with ours; they are below every horizon anyhow.
    fn raise(&mut self, id: GlobalId) {
        let higher = |highest: GlobalId| !super::same_maker(id, highest) || id > highest;
        if self.horizon.highest.is_none_or(higher) {
            self.horizon.highest = Some(id);
        }
    }
}

pub(super) fn read(overlay: &Overlay<'_>, id: GlobalId) -> Result<Option<OutcomeRecord>, StoreError> {
    let key = keys::outcome(id);
    let Some(bytes) = overlay.get(Family::State, &key)? else {
        return Ok(None);
    };
    codec::decode_outcome(&bytes).map(Some).map_err(unreadable("outcome", &key))
}

/// The lowest ordinal from `oldest` on that has no record: in a few dozen reads, for there are no gaps.
fn first_free(store: &dyn Store, oldest: u64) -> Result<u64, StoreError> {
    let used = |ordinal: u64| Ok::<bool, StoreError>(store.get(Family::State, &keys::order(ordinal))?.is_some());
    let mut step = 1;
    while used(oldest + step - 1)? {
        step *= 2;
    }
    // The lowest unused one lies in `low..=high`.
    let (mut low, mut high) = (oldest + step / 2, oldest + step - 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if used(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
