//! Why transactions of this epoch were rolled back without a record, for clients that ask late. A bounded memory: a rollback
//! that is not found in it is one that the application asked for, or one of long ago.

use std::collections::{BTreeMap, VecDeque};

use handfast_protocol::{GlobalId, RollbackReason};

use crate::limits::REASONS_KEPT_MAX;

#[derive(Debug, Default)]
pub(super) struct Reasons {
    by_id: BTreeMap<GlobalId, RollbackReason>,
    oldest_first: VecDeque<GlobalId>,
}

impl Reasons {
    pub fn remember(&mut self, id: GlobalId, reason: RollbackReason) {
        if reason == RollbackReason::Requested {
            return;
        }
        if self.oldest_first.len() == REASONS_KEPT_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        if self.by_id.insert(id, reason).is_none() {
            self.oldest_first.push_back(id);
        }
    }

    pub fn of(&self, id: GlobalId) -> RollbackReason {
        self.by_id.get(&id).cloned().unwrap_or(RollbackReason::Requested)
    }
}
