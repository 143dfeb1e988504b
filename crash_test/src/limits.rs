//! The bounds of a crash test, each with its reason.

use std::time::Duration;

/// Orders that are sent between two kills: about as many as a trigger works off in a tenth of a second.
pub const ORDERS_A_KILL: u64 = 60;

/// So many of the orders that are made up cannot be written, and have to die of it (P22).
pub const POISONS: u64 = 3;

/// Attempts that a message has: the second comes a moment after the first, so that a kill may come between them.
pub const ATTEMPTS: u32 = 2;

/// Of the transactions whose outcome is known, so many of the last are asked for again: the coordinator remembers them (P20).
pub const OUTCOMES_ASKED: usize = 1_000;

/// Between the first of a kill's orders and the kill.
pub const KILL_WITHIN: Duration = Duration::from_millis(150);

/// One server in so many that were killed is killed again before it serves, within this time of its start.
pub const AGAIN_ONE_IN: u32 = 4;
pub const AGAIN_WITHIN: Duration = Duration::from_millis(120);

/// Killed so often in all, a server has been so between a decision and its end: every third or so of its kills is.
pub const KILLS_THAT_LEAVE_DOUBT: u32 = 50;

/// A server that was killed serves again within this (A14).
pub const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Without any progress for so long, the run has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// What is in doubt when the work is done has to be decided within this.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at how far it is.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Messages of one page of a queue.
pub const PAGE: u32 = 1_000;

/// Seconds that a statement of the audit may wait for a database.
pub const DATABASE_WAIT: Duration = Duration::from_secs(30);
