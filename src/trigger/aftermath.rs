//! What is in doubt at a trigger's database when its queue is empty, of this run or of one that was killed before: a prepared
//! row may still wait for its commit, and a message beside it. What others begin meanwhile is not waited for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use handfast_client::{Handfast, RequestError, TransactionFilter};
use handfast_protocol::{GlobalId, ResourceName};

/// Transactions of one page, as many as a server gives.
const PAGE: u32 = 1_000;

/// A state that no commit waits in: the outcome is heuristic, and kept until an operator has seen it.
const FORCED: &str = "forced";

#[derive(Debug, Default)]
pub struct Aftermath {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The last transaction that this run began.
    begun: Option<GlobalId>,
    /// The same, when the queue was first found empty; later ones are others'.
    bound: Option<GlobalId>,
}

impl Aftermath {
    pub fn begun(&self, id: GlobalId) {
        let mut known = self.known();
        known.begun = known.begun.max(Some(id));
    }

    /// The queue is not empty any more.
    pub fn received(&self) {
        self.known().bound = None;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bound(&self) -> Option<GlobalId> {
        let mut known = self.known();
        known.bound = known.bound.or(known.begun);
        known.bound
    }

    /// A transaction that is in doubt at the database, and was begun before the queue was found empty.
    pub async fn open(&self, handfast: &Handfast, database: &ResourceName) -> Result<Option<String>, RequestError> {
        let Some(last) = self.bound() else { return Ok(None) };
        let mut after = None;
        loop {
            let page = handfast.transactions(TransactionFilter { in_doubt: true, after, limit: PAGE }).await?;
            let ids = page.iter().map(|view| view.gtrid.parse::<GlobalId>().ok());
            let is_last = page.len() < PAGE as usize;
            let through = ids.clone().next_back().flatten();
            let ours = page.iter().zip(ids).find(|(view, id)| {
                let is_there = view.branches.iter().any(|branch| branch.resource == database.as_str());
                *id <= Some(last) && view.state != FORCED && is_there
            });
            if let Some((view, _)) = ours {
                return Ok(Some(view.gtrid.clone()));
            }
            if is_last || through >= Some(last) {
                return Ok(None);
            }
            after = through;
        }
    }
}
