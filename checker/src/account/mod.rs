//! A history in order: by transaction, by queue, by database. Properties are judged from it, none reads the lines themselves.

mod absences;
mod deeds;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{DeadLetter, Fact, Finding, Message, Row, Terms};

pub use absences::Absences;
pub use deeds::{Answer, Deeds, Fate, Moment, Receive, Send, Step, Write};

/// Something that was seen or found, by or at a process.
#[derive(Debug, Clone)]
pub struct Seen<'h, T> {
    pub moment: Moment,
    pub process: &'h str,
    pub what: &'h T,
}

/// The start of a process: asked for, and whether it served in the end.
#[derive(Debug, Clone)]
pub struct Start<'h> {
    pub process: &'h str,
    pub asked: Moment,
    pub answered: Moment,
    pub answer: Answer,
}

#[derive(Debug, Default)]
pub struct Account<'h> {
    pub terms: Option<&'h Terms>,
    pub events: usize,
    pub transactions: BTreeMap<&'h str, Deeds<'h>>,
    /// Every begin that was answered.
    pub begun: Vec<Seen<'h, String>>,
    /// Sends outside any transaction.
    pub plain_sends: Vec<Send<'h>>,
    /// Every message that was handed out, in the order in which it was.
    pub receives: Vec<Receive<'h>>,
    /// By queue: since when a message may have been handed out of which nobody told.
    pub untold: BTreeMap<&'h str, usize>,
    pub starts: Vec<Start<'h>>,
    pub facts: Vec<Seen<'h, Fact>>,
    pub findings: Vec<Seen<'h, Finding>>,
    pub away: Absences<'h>,
    /// Which process keeps each queue.
    pub homes: BTreeMap<&'h str, &'h str>,
    /// What is left in each queue, in its order.
    pub left: BTreeMap<&'h str, &'h [Message]>,
    pub letters: Vec<&'h DeadLetter>,
    pub rows: BTreeMap<&'h str, &'h [Row]>,
}

impl<'h> Account<'h> {
    pub fn is_committed(&self, transaction: &str) -> bool {
        self.transactions.get(transaction).is_some_and(Deeds::is_committed)
    }

    /// Rows at a database, but for those of transactions that somebody ended there by hand.
    pub fn rows_of(&self, resource: &str) -> impl Iterator<Item = &'h Row> {
        let rows = self.rows.get(resource).copied().unwrap_or_default();
        let is_forced =
            |row: &Row| self.transactions.get(row.by.as_str()).is_some_and(|deeds| deeds.is_forced_at(resource));
        rows.iter().filter(move |row| !is_forced(row))
    }

    /// Every send, with or without a transaction, in no order.
    pub fn sends(&self) -> impl Iterator<Item = &Send<'h>> {
        self.plain_sends.iter().chain(self.transactions.values().flat_map(|deeds| &deeds.sends))
    }

    /// Messages that left the queue for good, in the order in which they were handed out.
    pub fn consumed(&self, queue: &str) -> impl Iterator<Item = &Receive<'h>> {
        let of_queue = self.receives.iter().filter(move |receive| receive.queue == queue);
        of_queue.filter(|receive| receive.transaction.is_none_or(|transaction| self.is_committed(transaction)))
    }

    /// Everything that was delivered from the queue or waits in it, in the order of delivery.
    pub fn delivery(&self, queue: &str) -> impl Iterator<Item = &'h Message> {
        let left = self.left.get(queue).copied().unwrap_or_default();
        self.consumed(queue).map(|receive| receive.message).chain(left)
    }

    /// Every queue that anybody sent to or that was found.
    pub fn queues(&self) -> BTreeSet<&'h str> {
        self.sends().map(|send| send.queue).chain(self.left.keys().copied()).collect()
    }

    /// Messages that can be seen: handed out, in a queue or dead.
    pub fn visible(&self) -> impl Iterator<Item = &'h Message> {
        let left = self.left.values().flat_map(|messages| messages.iter());
        let dead = self.letters.iter().map(|letter| &letter.message);
        self.receives.iter().map(|receive| receive.message).chain(left).chain(dead)
    }
}
