//! What a log should hold, in the simplest form that can say it.

use std::collections::BTreeMap;

use bytes::Bytes;
use handfast_log::disk::Disk;
use handfast_log::{Log, LogError, Record};

/// Compared as a whole with a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    pub entries: BTreeMap<u64, Bytes>,
    pub last_index: u64,
    pub state: Option<Bytes>,
    pub purged: Option<(u64, Bytes)>,
}

impl Model {
    pub fn of<D: Disk>(log: &Log<D>) -> Self {
        Model::read(log).expect("what is there can be read")
    }

    pub fn read<D: Disk>(log: &Log<D>) -> Result<Self, LogError> {
        let entries = log.read(0..u64::MAX, usize::MAX)?;
        assert_eq!(log.first_index() + entries.len() as u64, log.last_index() + 1, "every index present is read");
        Ok(Model {
            entries: entries.into_iter().collect(),
            last_index: log.last_index(),
            state: log.state(),
            purged: log.purged(),
        })
    }

    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Entry { index, payload } => {
                self.entries.insert(*index, payload.clone());
                self.last_index = *index;
            }
            Record::State { payload } => self.state = Some(payload.clone()),
            Record::TruncateAfter { index } => {
                self.entries.retain(|present, _| present <= index);
                self.last_index = self.last_index.min(*index);
            }
            Record::Purge { index, payload } => {
                self.entries.retain(|present, _| present > index);
                self.last_index = self.last_index.max(*index);
                self.purged = Some((*index, payload.clone()));
            }
        }
    }

    pub fn purged_index(&self) -> u64 {
        self.purged.as_ref().map_or(0, |(index, _)| *index)
    }
}

/// What a log was told, as the states it went through: after `n` records it is `states[n]`.
#[derive(Debug, Clone)]
pub struct History {
    states: Vec<Model>,
    /// Records that a sync or an open has made durable.
    durable: usize,
    /// Records whose append was answered.
    appended: usize,
}

impl History {
    pub fn starting_at(state: Model) -> Self {
        History { states: vec![state], durable: 0, appended: 0 }
    }

    pub fn latest(&self) -> &Model {
        self.states.last().expect("a history has a start")
    }

    /// To be called before the append: a record may be on the disk even if the append was not
    /// answered.
    pub fn tried(&mut self, records: &[Record]) {
        for record in records {
            let mut state = self.latest().clone();
            state.apply(record);
            self.states.push(state);
        }
    }

    /// The append was refused and nothing was written.
    pub fn refused(&mut self) {
        self.states.truncate(self.appended + 1);
    }

    pub fn answered(&mut self) {
        self.appended = self.states.len() - 1;
    }

    pub fn synced(&mut self) {
        self.durable = self.appended;
    }

    /// After the power went: everything durable, nothing after a hole, nothing that was never
    /// appended.
    pub fn check_after_power_loss(&self, found: &Model) {
        self.check_from(self.durable, found);
    }

    /// After a kill: everything that was answered.
    pub fn check_after_kill(&self, found: &Model) {
        self.check_from(self.appended, found);
    }

    /// Whether it is all that was appended, or more.
    pub fn is_all(&self, found: &Model) -> bool {
        self.states[self.appended..].contains(found)
    }

    fn check_from(&self, least: usize, found: &Model) {
        let possible = &self.states[least..];
        assert!(
            possible.contains(found),
            "found {found:?}\nwhich is none of the {} states from record {least} on, the first of which is {:?}",
            possible.len(),
            possible.first(),
        );
    }
}
