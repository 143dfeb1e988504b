//! The identities that commands and keys use.

use handfast_protocol::Priority;

/// A queue, for ever: ids are not given again after a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u32);

impl QueueId {
    /// The dead-letter queue: it always exists (D10).
    pub const DEAD_LETTER: QueueId = QueueId(0);
}

/// The place of a message: orders as messages are received (G4, P25).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    pub queue: QueueId,
    /// 7 - priority: higher priorities come first.
    pub band: u8,
    /// Given at apply, so that order is commit order.
    pub sequence: u64,
}

impl MessageKey {
    pub fn band_of(priority: Priority) -> u8 {
        Priority::HIGHEST.get() - priority.get()
    }
}

/// A body that rests apart from its message. Drawn from the message ordinals of its leader, so never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub u64);

/// A branch's work that was written ahead in parts because it outgrew one log entry (P26). Drawn from the same ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub u64);
