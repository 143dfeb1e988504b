//! The words that both ends of a Handfast connection share: transaction and branch identities, votes and outcomes, queue
//! names, message properties. Pure values with their rules; nothing here knows a wire format, a store or a clock.

#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods, clippy::disallowed_macros))]

mod dead_letter;
mod gauge;
mod gtrid;
pub mod limits;
mod message;
mod outcome;
pub mod pgpass;
mod producer;
mod queue_name;
mod resource;
mod timestamp;
mod xid;

pub use dead_letter::{DeadLetter, DeadLetterReason, UnknownReason};
pub use gauge::Gauge;
pub use gtrid::{CoordinatorId, GlobalId, GlobalIdError, Incarnation};
pub use message::{Destination, Message, MessageId, MessageIdError, MessageInvalid, Priority, Properties};
pub use outcome::{Heuristic, Outcome, PrepareVote, RollbackReason};
pub use producer::{MARK_OF_REFUSED, ProducerName, ProducerNameError, ProducerSequence};
pub use queue_name::{QueueName, QueueNameError};
pub use resource::{ForeignName, PreparedName, ResourceKind, ResourceName, ResourceNameError, marker};
pub use timestamp::Timestamp;
pub use xid::{Bqual, Gtrid, IdTooLong, Xid, XidInvalid};
