//! What clients do on their own connections.

use handfast_protocol::{GlobalId, Xid};

use super::{Answered, Block, Blocked, Change, Connection, Database, OrderRow};
use crate::goods;
use crate::plan::Mutant;
use crate::probes::Probe;
use crate::server::ServerId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Begins a transaction and puts the order in.
    Insert(OrderRow),
    /// Asks whether the transaction is sound, and sets what makes its commit durable (P6, P13).
    Check,
    /// The marker row, then PREPARE TRANSACTION, in one message.
    Prepare {
        xid: Xid,
    },
    /// The marker row, then COMMIT, in one message: the decision.
    Decide {
        id: GlobalId,
    },
    /// The same in two messages.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the conformance tables stop between the two"))]
    Mark {
        id: GlobalId,
    },
    #[cfg_attr(not(test), expect(dead_code, reason = "as above"))]
    Commit,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// SQLite: somebody else writes.
    Busy,
    /// There is no such transaction any more: the connection is a new one, or there was no slot to prepare it (P9), or its name
    /// is taken.
    NoTransaction,
    /// The opposite row stands there (P12, P21).
    Fenced,
    /// The statement breaks a rule of the table.
    Refused,
    /// The statement was cancelled, or an earlier one of its block had failed.
    Failed,
    /// The marker row was not taken, for the block had failed; and what ends the block was answered without an error, by the tag
    /// ROLLBACK (P6).
    RolledBack,
    /// The connection broke before it answered.
    Lost,
}

impl Database {
    pub fn execute(&mut self, connection: Connection, statement: Statement) {
        if !self.is_up {
            return self.reply(connection, Reply::Lost);
        }
        match statement {
            Statement::Insert(row) => {
                if self.is_sqlite() && self.is_locked_for(connection) {
                    return self.reply(connection, Reply::Busy);
                }
                let reply = self.insert(connection, row);
                self.reply(connection, reply);
            }
            Statement::Check => {
                let reply = match self.blocks.get(&connection) {
                    Some(block) if block.has_failed => Reply::Failed,
                    Some(_) => Reply::Done,
                    None => Reply::NoTransaction,
                };
                self.reply(connection, reply);
            }
            Statement::Prepare { .. } | Statement::Decide { .. } | Statement::Commit if self.has_failed(connection) => {
                self.seen[Probe::FailedBlocks] += 1;
                self.blocks.remove(&connection);
                self.reply(connection, Reply::RolledBack);
            }
            Statement::Prepare { xid } => self.prepare(connection, xid),
            Statement::Decide { id } => self.decide(connection, id),
            Statement::Mark { .. } if self.has_failed(connection) => self.reply(connection, Reply::Failed),
            Statement::Mark { id } => {
                if self.may_mark(connection, &statement, id) {
                    self.blocks.entry(connection).or_default().marker = Some(id);
                    self.reply(connection, Reply::Done);
                }
            }
            Statement::Commit => match self.blocks.remove(&connection) {
                Some(Block { rows, marker: Some(id), .. }) => {
                    let waiting = Answered::Client { connection, reply: Reply::Done };
                    self.write(Change::Decide { id, rows }, Some(waiting));
                }
                Some(_) | None => self.reply(connection, Reply::NoTransaction),
            },
            Statement::Rollback => {
                self.end_block(connection);
                self.reply(connection, Reply::Done);
            }
        }
    }

    /// A statement of PostgreSQL is cancelled while it runs, by an operator or by a limit of the database's own.
    pub fn cancel(&mut self, connection: Connection, statement: Statement) {
        if self.is_up && (matches!(statement, Statement::Insert(_)) || self.blocks.contains_key(&connection)) {
            self.seen[Probe::Cancelled] += 1;
            self.fail(connection);
        }
        self.execute(connection, statement);
    }

    fn insert(&mut self, connection: Connection, row: OrderRow) -> Reply {
        let block = self.blocks.entry(connection).or_default();
        if block.has_failed {
            return Reply::Failed;
        }
        if goods::is_poison(&row.order) {
            self.fail(connection);
            return Reply::Refused;
        }
        block.rows.push(row);
        Reply::Done
    }

    fn prepare(&mut self, connection: Connection, xid: Xid) {
        let is_taken = self.live.has_prepared(&xid);
        let has_slot = self.has_slot();
        self.seen[Probe::NoSlot] += u64::from(!has_slot);
        match self.blocks.remove(&connection) {
            Some(Block { rows, .. }) if has_slot && !is_taken => {
                let waiting = Answered::Client { connection, reply: Reply::Done };
                self.write(Change::Prepare { xid, rows }, Some(waiting));
            }
            Some(_) | None => self.reply(connection, Reply::NoTransaction),
        }
    }

    /// A statement of the block has failed. PostgreSQL gives up all that the block did; SQLite the statement alone.
    fn fail(&mut self, connection: Connection) {
        if self.is_sqlite() {
            return;
        }
        let failed = Block { has_failed: true, ..Block::default() };
        let before = self.blocks.insert(connection, failed);
        if before.is_some_and(|block| block.marker.is_some()) {
            self.unblock();
        }
    }

    fn has_failed(&self, connection: Connection) -> bool {
        self.blocks.get(&connection).is_some_and(|block| block.has_failed)
    }

    /// What the connection has open is rolled back.
    fn end_block(&mut self, connection: Connection) {
        let before = self.blocks.remove(&connection);
        if before.is_some_and(|block| block.marker.is_some()) {
            self.unblock();
        }
    }

    fn has_slot(&self) -> bool {
        let preparing = self.written.iter().filter(|written| matches!(written.change, Change::Prepare { .. }));
        self.live.prepared.len() + preparing.count() < self.slots as usize
    }

    /// Whether the marker row can be put in; else whoever wants to is told, or waits.
    fn may_mark(&mut self, connection: Connection, statement: &Statement, id: GlobalId) -> bool {
        if self.is_held(id) {
            self.seen[Probe::Blocked] += 1;
            self.blocked.push(Blocked::Statement { connection, statement: statement.clone() });
            return false;
        }
        let is_open = self.blocks.contains_key(&connection);
        let is_marked = self.live.markers.contains_key(&id);
        if !is_open {
            self.reply(connection, Reply::NoTransaction);
        } else if is_marked {
            self.blocks.remove(&connection);
            self.seen[Probe::LateDecisions] += 1;
            self.reply(connection, Reply::Fenced);
        }
        is_open && !is_marked
    }

    fn decide(&mut self, connection: Connection, id: GlobalId) {
        if !self.may_mark(connection, &Statement::Decide { id }, id) {
            return;
        }
        let rows = self.blocks.remove(&connection).unwrap_or_default().rows;
        let waiting = Answered::Client { connection, reply: Reply::Done };
        let change = Change::Decide { id, rows };
        if self.mutant == Mutant::DecidesWithoutFlush {
            self.live.apply(&change);
            self.write(change, None);
            self.written.last_mut().expect("it was written above").is_visible = true;
            return self.answered.push(waiting);
        }
        self.write(change, Some(waiting));
    }

    /// Another connection writes, or its commit is not over.
    fn is_locked_for(&self, connection: Connection) -> bool {
        self.blocks.keys().any(|other| *other != connection) || self.is_committing()
    }

    pub(super) fn is_committing(&self) -> bool {
        self.written.iter().any(|written| !written.is_visible)
    }

    fn reply(&mut self, connection: Connection, reply: Reply) {
        self.answered.push(Answered::Client { connection, reply });
    }

    /// The client is gone, and what it had open is rolled back. A backend of PostgreSQL does first what it was told to do. A
    /// client of SQLite leaves in the page cache what it wrote: everybody sees it there, and nobody has synced it (P12).
    pub fn hang_up(&mut self, connection: Connection) {
        self.end_block(connection);
        self.leave_written(
            |answered| matches!(answered, Answered::Client { connection: waiting, .. } if *waiting == connection),
        );
    }

    /// The client in whose process SQLite's commit waits for its flush.
    pub fn flushing_client(&self) -> Option<Connection> {
        self.written.iter().find_map(|written| match &written.waiting {
            Some(Answered::Client { connection, .. }) => Some(*connection),
            Some(Answered::Caller { .. }) | None => None,
        })
    }

    /// A server that had SQLite's file open is gone.
    pub fn server_gone(&mut self, server: ServerId) {
        self.leave_written(|answered| matches!(answered, Answered::Caller { caller, .. } if caller.server == server));
    }

    fn leave_written(&mut self, is_of: impl Fn(&Answered) -> bool) {
        if !self.is_sqlite() {
            return;
        }
        for written in self.written.iter_mut().filter(|written| written.waiting.as_ref().is_some_and(&is_of)) {
            written.waiting = None;
            written.is_visible = true;
            self.live.apply(&written.change);
            self.seen[Probe::VisibleEarly] += 1;
        }
        self.flush_is_due = self.written.iter().any(|written| written.waiting.is_some());
    }
}
