//! The ids of sent messages: those of one send follow each other, and are told as their first and their number.

use handfast_protocol::MessageId;

use crate::{Malformed, v1};

impl v1::Sent {
    pub fn of(ids: &[MessageId], repeated_send: bool) -> v1::Sent {
        let mut runs: Vec<(MessageId, u64)> = Vec::new();
        for id in ids {
            match runs.last_mut() {
                Some((first, count)) if nth(*first, *count) == Some(*id) => *count += 1,
                Some(_) | None => runs.push((*id, 1)),
            }
        }
        let run = |(first, count): (MessageId, u64)| v1::MessageIds { first: first.to_string(), count };
        v1::Sent { ids: runs.into_iter().map(run).collect(), repeated_send }
    }

    /// One by one. A send of `count` messages has no more of them.
    pub fn message_ids(&self, count: usize) -> Result<Vec<MessageId>, Malformed> {
        let mut ids = Vec::with_capacity(count);
        for run in &self.ids {
            let first: MessageId = run.first.parse()?;
            if run.count > (count - ids.len()) as u64 {
                return Err(Malformed::TooManyIds { count });
            }
            for n in 0..run.count {
                ids.push(nth(first, n).ok_or(Malformed::TooManyIds { count })?);
            }
        }
        Ok(ids)
    }
}

/// The id that is `n` behind `first`.
fn nth(first: MessageId, n: u64) -> Option<MessageId> {
    Some(MessageId { ordinal: first.ordinal.checked_add(n)?, ..first })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and number.
    type Run = (u64, u64);

    fn id(ordinal: u64) -> MessageId {
        let zero: MessageId = format!("{}-0", "5".repeat(32)).parse().unwrap();
        MessageId { ordinal, ..zero }
    }

    #[test]
    fn ids_come_back_as_they_were_however_they_follow_each_other() {
        let table: [(&[u64], &[Run]); 5] = [
            (&[], &[]),
            (&[7], &[(7, 1)]),
            (&[7, 8, 9], &[(7, 3)]),
            (&[7, 8, 20, 3, 4, 4], &[(7, 2), (20, 1), (3, 2), (4, 1)]),
            (&[u64::MAX - 1, u64::MAX], &[(u64::MAX - 1, 2)]),
        ];
        for (ordinals, runs) in table {
            let ids: Vec<MessageId> = ordinals.iter().copied().map(id).collect();
            let sent = v1::Sent::of(&ids, false);
            let found: Vec<(String, u64)> = sent.ids.iter().map(|run| (run.first.clone(), run.count)).collect();
            let expected: Vec<(String, u64)> = runs.iter().map(|(first, n)| (id(*first).to_string(), *n)).collect();
            assert_eq!(found, expected);
            assert_eq!(sent.message_ids(ids.len()), Ok(ids));
        }
    }

    #[test]
    fn more_ids_than_messages_are_not_believed() {
        let sent = |first: u64, count| v1::Sent {
            ids: vec![v1::MessageIds { first: id(first).to_string(), count }],
            repeated_send: false,
        };
        for (first, count) in [(1, 4), (1, u64::MAX), (u64::MAX, 2)] {
            assert_eq!(sent(first, count).message_ids(3), Err(Malformed::TooManyIds { count: 3 }));
        }
    }
}
