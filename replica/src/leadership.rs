//! Who leads, as the shell sees it.

use crate::error::StopReason;

/// The shell watches this: a new `Leader` begins a new epoch (P2), and `Stopped` ends the process
/// (D12).
#[derive(Debug, Clone)]
pub enum Leadership {
    /// This node leads `term`. One leader a term, and no term twice, restarts included.
    Leader { term: u64 },

    /// Another node leads, or nobody yet.
    Follower { leader: Option<u64> },

    /// Nothing is proposed or committed any more, and it stays so. The state machine may still be at
    /// what was committed before; [`crate::Replica::shutdown`] waits for that.
    Stopped { reason: StopReason },
}
