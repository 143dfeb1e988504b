//! A state machine that writes down what it is given, and stops or fails where a test says so.

use std::sync::Arc;

use bytes::Bytes;
use handfast_replica::{Committed, StateMachine, StateMachineError};
use tokio::sync::{Semaphore, watch};

/// What its store would hold: position and effects, always written together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub position: Option<Bytes>,
    /// Entries with a payload, in the order in which they came.
    pub payloads: Vec<(u64, Bytes)>,
    /// The index of the last entry, with a payload or not.
    pub index: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the disk of the state machine is gone")]
pub struct DiskGone;

/// The test's end of a [`Recorder`].
#[derive(Debug, Clone)]
pub struct Record {
    kept: watch::Receiver<Kept>,
    /// Highest index that `apply` was called with, whether it went on or waits for `gate`.
    asked: watch::Receiver<u64>,
    gate: Arc<Semaphore>,
}

impl Record {
    pub fn kept(&self) -> Kept {
        self.kept.borrow().clone()
    }

    pub async fn until_payloads(&mut self, count: usize) -> Kept {
        let all_came = self.until_payloads_or_end(count).await;
        assert!(all_came, "ended before {count} payloads came: {:?}", self.kept().index);
        self.kept()
    }

    /// Whether they came; if not, the replica gave the recorder up.
    pub async fn until_payloads_or_end(&mut self, count: usize) -> bool {
        let enough = |kept: &Kept| kept.payloads.len() >= count;
        self.kept.wait_for(enough).await.is_ok()
    }

    pub async fn until_asked(&mut self, index: u64) {
        self.asked.wait_for(|&asked| asked >= index).await.expect("the recorder lives");
    }

    pub fn open_gate(&self) {
        self.open_gate_for(Semaphore::MAX_PERMITS / 2);
    }

    /// Lets so many calls of `apply` pass.
    pub fn open_gate_for(&self, calls: usize) {
        self.gate.add_permits(calls);
    }
}

pub struct Recorder {
    kept: watch::Sender<Kept>,
    asked: watch::Sender<u64>,
    gate: Arc<Semaphore>,
    /// The payload on which it fails.
    poison: Option<Bytes>,
    panics: bool,
}

impl Recorder {
    /// A store that was last flushed when it held `kept`.
    pub fn opened_with(kept: Kept) -> (Recorder, Record) {
        let (recorder, record) = Recorder::gated(kept);
        record.open_gate();
        (recorder, record)
    }

    /// Applies nothing until the gate is opened.
    pub fn gated(kept: Kept) -> (Recorder, Record) {
        let (kept, keep) = watch::channel(kept);
        let (asked, ask) = watch::channel(0);
        let gate = Arc::new(Semaphore::new(0));
        let record = Record { kept: keep, asked: ask, gate: gate.clone() };
        (Recorder { kept, asked, gate, poison: None, panics: false }, record)
    }

    pub fn failing_on(mut self, payload: &'static [u8]) -> Self {
        self.poison = Some(Bytes::from_static(payload));
        self
    }

    /// As [`Recorder::failing_on`], but panics.
    pub fn panicking_on(self, payload: &'static [u8]) -> Self {
        let mut recorder = self.failing_on(payload);
        recorder.panics = true;
        recorder
    }
}

impl StateMachine for Recorder {
    async fn position(&mut self) -> Result<Option<Bytes>, StateMachineError> {
        Ok(self.kept.borrow().position.clone())
    }

    async fn apply(&mut self, entries: Vec<Committed>) -> Result<(), StateMachineError> {
        assert!(!entries.is_empty());
        self.asked.send_replace(entries[entries.len() - 1].index);
        self.gate.acquire().await.expect("never closed").forget();
        if entries.iter().any(|entry| self.poison.is_some() && entry.payload == self.poison) {
            assert!(!self.panics, "as told by the test");
            return Err(StateMachineError::new(DiskGone));
        }
        self.kept.send_modify(|kept| {
            for Committed { index, position, payload } in entries {
                assert_eq!(index, kept.index + 1, "an entry is missing or came again");
                kept.index = index;
                kept.position = Some(position);
                kept.payloads.extend(payload.map(|payload| (index, payload)));
            }
        });
        Ok(())
    }
}
