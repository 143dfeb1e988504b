//! What must hold, whatever happens: one sequence of committed entries, the same for every member, and nothing of what a
//! client was told is lost.
//!
//! It does not judge the order in which a queue hands out its messages, nor time limits: other layers do.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_machine::{Entry, State};
use handfast_store::{Family, MemStore, Store};

use super::clients::QUEUES;
use super::shell::Applied;

/// The first thing that was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Violation(pub String);

#[derive(Debug, Default)]
pub(super) struct Judge {
    /// As the first member applied them; the first has index 1.
    committed: Vec<Applied>,
    /// Where each proposal stands.
    proposals: BTreeMap<Bytes, u64>,
    leaders: BTreeMap<u64, u64>,
    /// Bodies whose send was answered with success.
    sent: BTreeSet<String>,
    received: BTreeSet<String>,
    /// Bodies whose way from the first queue to the second was told to be committed.
    moved: BTreeSet<String>,
    /// Receives whose answer never came: each may have taken one message away.
    unknown_receives: usize,
}

fn violation(what: String) -> Result<(), Violation> {
    Err(Violation(what))
}

impl Judge {
    pub fn committed(&self) -> u64 {
        self.committed.len() as u64
    }

    pub fn terms(&self) -> u64 {
        self.leaders.len() as u64
    }

    pub fn acknowledged(&self) -> u64 {
        self.sent.len() as u64
    }

    /// A member whose last entry was `before` applied another.
    pub fn applied(&mut self, member: u64, before: u64, entry: &Applied) -> Result<(), Violation> {
        let index = entry.index;
        if index != before + 1 {
            return violation(format!("member {member} applied {index} after {before}"));
        }
        if let Some(known) = self.committed.get(before as usize) {
            if known != entry {
                let terms = (known.term, entry.term);
                return violation(format!("member {member} applied another entry {index}: terms {terms:?}"));
            }
            return Ok(());
        }
        // The first to apply: everything before is known, because this member has applied it.
        if index != self.committed() + 1 {
            return violation(format!("member {member} applied {index}, and {} was never applied", index - 1));
        }
        if let Some(last) = self.committed.last().filter(|last| last.term > entry.term) {
            return violation(format!("entry {index} is of term {}, the one before of {}", entry.term, last.term));
        }
        if let Some(earlier) = entry.payload.clone().and_then(|payload| self.proposals.insert(payload, index)) {
            return violation(format!("one proposal was committed at {earlier} and at {index} (P2)"));
        }
        self.committed.push(entry.clone());
        Ok(())
    }

    pub fn leads(&mut self, member: u64, term: u64) -> Result<(), Violation> {
        match self.leaders.insert(term, member) {
            Some(other) if other != member => violation(format!("members {other} and {member} both led term {term}")),
            Some(_) | None => Ok(()),
        }
    }

    pub fn sent(&mut self, body: String) {
        self.sent.insert(body);
    }

    pub fn moved(&mut self, body: String) {
        self.moved.insert(body);
    }

    /// From the first queue.
    pub fn received(&mut self, body: &str) -> Result<(), Violation> {
        if self.moved.contains(body) {
            return violation(format!("message {body} was received from where a commit had taken it away"));
        }
        if !self.received.insert(body.to_owned()) {
            return violation(format!("message {body} was received twice"));
        }
        Ok(())
    }

    pub fn receive_unknown(&mut self) {
        self.unknown_receives += 1;
    }

    /// At the end: each member's store, all at the last committed entry, and the bodies that are left in the queues.
    pub fn settled(&self, stores: &[&MemStore], left: &[(&str, String)]) -> Result<(), Violation> {
        let replayed = contents(&self.replayed()?)?;
        for (at, store) in stores.iter().enumerate() {
            if contents(store)? != replayed {
                return violation(format!("member {} has another state than its log gives", at + 1));
            }
        }
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        let is_back = |(queue, body): &&(&str, String)| *queue == QUEUES[0] && self.moved.contains(body);
        if let Some((queue, body)) = left.iter().find(is_back) {
            return violation(format!("message {body} is in {queue} again, and its move was told to be committed"));
        }
        let left = left.iter().map(|(_, body)| body);
        if let Some(twice) = left.chain(&self.received).find(|body| !seen.insert(body)) {
            return violation(format!("message {twice} is there twice, or was received and is there"));
        }
        let lost = self.sent.iter().filter(|body| !seen.contains(body)).count();
        if lost > self.unknown_receives {
            let unknown = self.unknown_receives;
            return violation(format!("{lost} acknowledged messages are gone, and {unknown} receives are unknown"));
        }
        Ok(())
    }

    /// The committed entries applied one by one, by one who was never interrupted.
    fn replayed(&self) -> Result<MemStore, Violation> {
        let mut store = MemStore::default();
        let broken = |cause: handfast_machine::Fatal| Violation(format!("the log cannot be replayed: {cause}"));
        let mut state = State::open(&store).map_err(broken)?;
        for Applied { index, payload, .. } in &self.committed {
            let entry = Entry { index: *index, position: Bytes::new(), payload: payload.clone() };
            state.apply(&mut store, vec![entry]).map_err(broken)?;
        }
        Ok(store)
    }
}

type Contents = BTreeMap<(Family, Vec<u8>), Vec<u8>>;

/// All of a store but its position, which the replay has none of.
fn contents(store: &MemStore) -> Result<Contents, Violation> {
    const POSITION_KEY: &[u8] = &[0xF1];
    let mut contents = Contents::new();
    for family in Family::ALL {
        let scanned = store.scan(family, &[], &[], &mut |key, value| {
            if (family, key) != (Family::State, POSITION_KEY) {
                contents.insert((family, key.to_vec()), value.to_vec());
            }
            std::ops::ControlFlow::Continue(())
        });
        scanned.map_err(|cause| Violation(format!("a store cannot be read: {cause}")))?;
    }
    Ok(contents)
}
