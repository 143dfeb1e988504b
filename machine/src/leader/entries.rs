//! The log entries of one leadership: the one that is filling, and those that were proposed and are not applied yet.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;
use handfast_protocol::Timestamp;

use super::Continuation;
use crate::codec::BatchWriter;
use crate::command::Command;

#[derive(Debug)]
pub(super) struct Entries {
    writer: BatchWriter,
    filling: Filled,
    /// In log order, their numbers without a gap.
    in_flight: VecDeque<Filled>,
    /// Of the entry that is filling.
    number: u64,
}

/// What is in an entry, and who waits for it: one for each command.
#[derive(Debug, Default)]
struct Filled {
    commands: Vec<Command>,
    continuations: Vec<Continuation>,
}

impl Entries {
    pub fn new() -> Entries {
        Entries { writer: BatchWriter::new(), filling: Filled::default(), in_flight: VecDeque::new(), number: 1 }
    }

    /// Into the entry that is filling; how many bytes it has now.
    pub fn push(&mut self, command: Command, continuation: Continuation) -> usize {
        self.writer.push(&command);
        self.filling.commands.push(command);
        self.filling.continuations.push(continuation);
        self.writer.len()
    }

    pub fn is_filling(&self) -> bool {
        !self.filling.commands.is_empty()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Ends the entry that is filling; its stored form.
    pub fn seal(&mut self, epoch: u64, now: Timestamp) -> Bytes {
        let entry = self.writer.finish(epoch, now, self.number);
        self.number += 1;
        self.in_flight.push_back(mem::take(&mut self.filling));
        entry
    }

    /// The commands of an entry that comes back committed: what decoding it would bring. Each entry's are given once.
    pub fn commands(&mut self, number: u64) -> Option<Vec<Command>> {
        let first = self.number - self.in_flight.len() as u64;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        let commands = mem::take(&mut self.in_flight.get_mut(index)?.commands);
        (!commands.is_empty()).then_some(commands)
    }

    /// The first of those in flight, which is `number`, was applied.
    pub fn applied(&mut self, number: u64) -> Vec<Continuation> {
        let first = self.number - self.in_flight.len() as u64;
        let filled = self.in_flight.pop_front().expect("only proposed entries of this epoch are applied");
        assert_eq!(number, first, "entries are applied in the order in which they were proposed");
        filled.continuations
    }

    /// All who wait, in the order in which they began.
    pub fn into_continuations(self) -> impl Iterator<Item = Continuation> {
        self.in_flight.into_iter().chain([self.filling]).flat_map(|filled| filled.continuations)
    }
}
