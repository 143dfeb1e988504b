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

impl Leadership {
    /// Nothing has changed between the two. An end is news each time.
    pub(crate) fn is_still(&self, now: &Leadership) -> bool {
        match (self, now) {
            (Leadership::Leader { term }, Leadership::Leader { term: now }) => term == now,
            (Leadership::Follower { leader }, Leadership::Follower { leader: now }) => leader == now,
            (_, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_is_news() {
        let kinds = || {
            [
                Leadership::Leader { term: 1 },
                Leadership::Leader { term: 2 },
                Leadership::Follower { leader: None },
                Leadership::Follower { leader: Some(1) },
            ]
        };
        for (at, before) in kinds().iter().enumerate() {
            let still: Vec<bool> = kinds().iter().map(|now| before.is_still(now)).collect();
            assert_eq!(still, (0..4).map(|other| other == at).collect::<Vec<bool>>());
        }
    }
}
