//! From lines to an account.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, Answer, Deeds, Moment, Receive, Seen, Send, Start, Step, Write};
use crate::history::{Event, Fact, Finding, History, Op, Outcome, What};

/// What each process has asked for and not been told.
type Asked<'h> = BTreeMap<&'h str, (Moment, &'h Op)>;

impl<'h> Account<'h> {
    pub fn of(history: &'h History) -> Account<'h> {
        let mut account = Account { events: history.events.len(), ..Account::default() };
        let mut asked = Asked::new();
        for (number, event) in history.events.iter().enumerate() {
            account.read(Moment { number, at: event.at }, event, &mut asked);
        }
        let end = Moment { number: history.events.len(), at: u64::MAX };
        for (process, (moment, op)) in asked {
            account.answered(process, (moment, end), op, Answer::Unknown);
        }
        account.mark_visible();
        account
    }

    fn read(&mut self, moment: Moment, event: &'h Event, asked: &mut Asked<'h>) {
        let process = event.process.as_str();
        let (op, answer) = match &event.what {
            What::Invoke(op) => {
                if matches!(op, Op::Commit { .. } | Op::Rollback { .. }) {
                    self.deeds(op).ending = Some(moment);
                }
                if let Some((before, op)) = asked.insert(process, (moment, op)) {
                    self.answered(process, (before, moment), op, Answer::Unknown);
                }
                return;
            }
            What::Ok(op) => (op, Answer::Ok),
            What::Fail(op) => (op, Answer::Fail),
            What::Unknown(op) => (op, Answer::Unknown),
            What::Info(fact) => return self.seen(Seen { moment, process, what: fact }),
            What::Audit(finding) => return self.found(Seen { moment, process, what: finding }),
        };
        // A receive may begin its transaction, which is told of while the receive is open.
        let is_receiving = asked.get(process).is_some_and(|(_, open)| matches!(open, Op::Receive { .. }));
        let answered = if matches!(op, Op::Begin { .. }) && is_receiving { None } else { asked.remove(process) };
        let since = answered.map_or(moment, |(since, _)| since);
        self.answered(process, (since, moment), op, answer);
    }

    fn deeds(&mut self, op: &'h Op) -> &mut Deeds<'h> {
        self.transactions.entry(op.transaction().unwrap_or_default()).or_default()
    }

    fn answered(&mut self, process: &'h str, (since, until): (Moment, Moment), op: &'h Op, answer: Answer) {
        match op {
            Op::Begin { transaction } if answer == Answer::Ok => {
                self.begun.push(Seen { moment: until, process, what: transaction });
                let deeds = self.deeds(op);
                deeds.process = Some(process);
                deeds.began = Some(until);
            }
            Op::Begin { .. } => {}
            Op::Send { transaction, queue, message } => {
                let transaction = transaction.as_deref();
                let send = Send { moment: since, process, transaction, queue, message, answer };
                let sends = if transaction.is_some() { &mut self.deeds(op).sends } else { &mut self.plain_sends };
                sends.push(send);
            }
            Op::Receive { transaction, queue, message: Some(message) } if answer == Answer::Ok => {
                let transaction = transaction.as_deref();
                let receive = Receive { asked: since, moment: until, transaction, queue, message };
                if transaction.is_some() {
                    self.deeds(op).receives.push(receive.clone());
                }
                self.receives.push(receive);
            }
            Op::Receive { queue, .. } if answer == Answer::Unknown => {
                let first = self.untold.entry(queue).or_insert(since.number);
                *first = since.number.min(*first);
            }
            Op::Receive { .. } => {}
            Op::Write { resource, row, .. } => self.deeds(op).writes.push(Write { resource, row, answer }),
            Op::Commit { .. } => match answer {
                Answer::Ok => self.deeds(op).told.push((until, Outcome::Committed)),
                Answer::Fail => self.deeds(op).told.push((until, Outcome::RolledBack)),
                Answer::Unknown => {}
            },
            Op::Rollback { .. } if answer == Answer::Ok => self.deeds(op).told.push((until, Outcome::RolledBack)),
            Op::Rollback { .. } => {}
            Op::Start => self.starts.push(Start { process, asked: since, answered: until, answer }),
        }
    }

    fn seen(&mut self, seen: Seen<'h, Fact>) {
        let Seen { moment, process, what } = &seen;
        match what {
            Fact::Run(terms) => self.terms = Some(terms),
            Fact::Away => self.away.goes(process, moment.at),
            Fact::Back => self.away.is_back(process, moment.at),
            Fact::State { transaction, state, epoch } => {
                let step = Step { moment: *moment, process, state, epoch: *epoch };
                self.transactions.entry(transaction).or_default().steps.push(step);
            }
            Fact::Forced { transaction, outcome } => {
                self.transactions.entry(transaction).or_default().forced.push((process, *outcome));
            }
            Fact::ToldHeuristic { transaction } => {
                self.transactions.entry(transaction).or_default().told_heuristic = true;
            }
            Fact::TimedOut { transaction } => self.transactions.entry(transaction).or_default().timed_out = true,
            Fact::Crashed { .. }
            | Fact::Recovered { .. }
            | Fact::Applied { .. }
            | Fact::Rotted
            | Fact::Mended
            | Fact::Doomed { .. } => {}
        }
        self.facts.push(seen);
    }

    fn found(&mut self, found: Seen<'h, Finding>) {
        match found.what {
            Finding::Queue { queue, messages, .. } => {
                self.homes.insert(queue, found.process);
                self.left.insert(queue, messages);
            }
            Finding::DeadLetters { letters } => self.letters.extend(letters),
            Finding::Rows { resource, rows } => {
                self.rows.insert(resource, rows);
            }
            Finding::Outcome { transaction, outcome } => {
                let deeds = self.transactions.entry(transaction).or_default();
                deeds.coordinator = Some(found.process);
                deeds.known = Some(outcome);
            }
            Finding::Branches { .. }
            | Finding::Transactions { .. }
            | Finding::Counted { .. }
            | Finding::Log { .. }
            | Finding::Upgraded { .. }
            | Finding::Broken { .. } => {}
        }
        self.findings.push(found);
    }

    fn mark_visible(&mut self) {
        let rows = self.rows.values().flat_map(|rows| rows.iter()).map(|row| row.by.as_str());
        let visible: BTreeSet<&str> = self.visible().filter_map(|message| message.by.as_deref()).chain(rows).collect();
        for transaction in visible {
            self.transactions.entry(transaction).or_default().is_visible = true;
        }
    }
}
