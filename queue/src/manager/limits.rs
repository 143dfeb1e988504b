//! The bounds of the manager's memory and of its steps, each with its reason. The durable state's are in `crate::limits`.

use std::time::Duration;

use crate::limits::{INLINE_BODY_BYTES_MAX, STAGE_PARTS_MAX};

/// The largest body, unless the operator says otherwise: as MSMQ has it. More is for who has checked that its consumers can
/// take it.
pub const BODY_BYTES_DEFAULT: usize = 4 << 20;

/// What all active branches together hold in memory: sends not yet staged, locks, waits (P26, G7).
pub const ACTIVE_BYTES_MAX: usize = 64 << 20;

/// What an empty branch is charged: its entry, two keys and a timer.
pub const BRANCH_BYTES: usize = 512;

/// What a receive is charged: its wait, then its lock and its name in the branch.
pub const RECEIVE_BYTES: usize = 256;

/// What a send is charged beside its words and its inline body.
pub const SEND_BYTES: usize = 256;

/// The work of a branch that one log entry carries; beyond, it is staged in parts of this size (P26).
pub const WORK_BYTES_MAX: usize = 1 << 20;

/// A received key in a log entry, with its tags.
pub const RECEIVE_ENCODED_BYTES: usize = 16;

/// What one branch may do in all: its staged parts, the last of them kept for the commit itself.
pub const TRANSACTION_BYTES_MAX: usize = (STAGE_PARTS_MAX as usize - 2) * (WORK_BYTES_MAX - PART_SLACK_BYTES);

/// A part is closed before the message that would overfill it: so much of it may stay empty.
pub const PART_SLACK_BYTES: usize = 192 << 10;

/// What active branches and unnamed bodies may have written ahead, bodies by the number of their parts: the next leader drops it
/// in one log entry (P2, P26).
pub const STAGED_BYTES_MAX: usize = 256 << 20;

/// The least that one staged record is charged, so that the limit above bounds their number too: 262,144.
pub const STAGED_RECORD_BYTES: usize = 1 << 10;

/// Messages of one send outside a transaction, and dead letters of one return: the largest window of a producer (P24).
pub const REQUEST_MESSAGES_MAX: usize = 1_000;

/// Inline bodies of one send outside a transaction: what is above rests apart, so that the log entry stays small.
pub const REQUEST_INLINE_BYTES_MAX: usize = 1 << 20;

/// One send outside a transaction without its bodies.
pub const REQUEST_ENVELOPES_BYTES_MAX: usize = 2 << 20;

/// What one command may take in the log: entries of 4 MiB always fit, and several commands may share one.
pub const COMMAND_BYTES_MAX: usize = 3 << 20;

/// Keys in the ready window of one queue: one scan of the store fills it.
pub const READY_KEYS_MAX: usize = 256;

/// Delayed messages that one queue's window tracks. Beyond, the queue waits for the first of them: when so many failed
/// in the last minute, the next would fail too.
pub const DELAYED_KEYS_MAX: usize = 1_024;

/// Windows kept of queues that nobody waits on; the least recently used goes (G7).
pub const WINDOWS_MAX: usize = 256;

/// Messages with their bodies that all windows together keep; others are read again when handed out.
pub const READY_BYTES_MAX: usize = 16 << 20;

/// What one refill reads.
pub const REFILL_BYTES_MAX: usize = 1 << 20;

/// Messages that one look for a receivable message passes over before it lets other work through.
pub const VISITS_MAX: usize = 4_096;

/// Waiting receives (and waiting exclusive readers) on one queue.
pub const WAITING_PER_QUEUE_MAX: usize = 16_384;

/// Waiting receives on all queues: about 75 MB.
pub const WAITING_MAX: usize = 65_536;

/// Messages that one `Expire` or one step of a sweep takes away: a log entry of a few milliseconds.
pub const REMOVE_BATCH: usize = 256;

/// Locked messages that one step of a sweep names; a step ends before the next one.
pub const SWEEP_LOCKED_MAX: usize = 1_024;

/// Messages that one `Return` counts.
pub const RETURN_BATCH: usize = 256;

/// Bodies that one `Unstage` names.
pub const UNSTAGE_BATCH: usize = 1_024;

/// Timers that one tick handles; the rest is due at once again.
pub const TIMERS_PER_TICK: usize = 1_024;

/// How long an exclusive reader may be silent (P23).
pub const LEASE: Duration = Duration::from_secs(10);

/// How often messages that expired under a lock are looked at again, beside the moment of their unlocking.
pub const EXPIRY_RETRY: Duration = Duration::from_secs(1);

/// How soon after a second phase the times of its messages are looked up: one look serves all that ended meanwhile.
pub const EXPIRY_NOTICE: Duration = Duration::from_millis(100);

/// How soon a receive whose time is over is looked at again while its queue is still being searched.
pub const OVERDUE_RETRY: Duration = Duration::from_millis(10);

/// Rolled-back branches whose reason is remembered for the client that asks next.
pub const ENDED_MAX: usize = 10_000;

/// A page of a peek: messages, and bytes of their bodies.
pub const PEEK_MESSAGES_MAX: usize = 1_000;
pub const PEEK_BYTES_MAX: usize = 4 << 20;

/// A page of prepared branches.
pub const RECOVER_MAX: usize = 10_000;

/// The bits of a message ordinal that count within an epoch: a million messages a second for twelve days.
pub const ORDINAL_COUNTER_BITS: u32 = 40;

const _: () =
    assert!(INLINE_BODY_BYTES_MAX + (64 << 10) <= PART_SLACK_BYTES, "the largest inline message fits the slack");
const _: () = assert!(REQUEST_INLINE_BYTES_MAX + REQUEST_ENVELOPES_BYTES_MAX <= COMMAND_BYTES_MAX);
const _: () =
    assert!(2 * WORK_BYTES_MAX + PART_SLACK_BYTES < COMMAND_BYTES_MAX, "a part: sends, and the last receives");
const _: () = assert!(SWEEP_LOCKED_MAX >= REMOVE_BATCH);
