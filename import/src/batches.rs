//! Records to batches: what is sent in one transaction.

use bytes::Bytes;
use handfast_protocol::MARK_OF_REFUSED;

use super::limits::{BATCH_BYTES, BATCH_MESSAGES_MAX};
use super::{Digest, ImportError, Record};

/// Records that are sent together. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The number of its first record among all, counted from 0: its sequence (P24).
    pub first: u64,
    pub bodies: Vec<Bytes>,
    /// Where its first and its last record begin.
    pub lines: (u64, u64),
    /// Bytes of the input up to its end.
    pub offset: u64,
    /// Of all records up to its end.
    pub digest: Digest,
}

/// Where an import goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Records before this one were sent.
    pub first: u64,
    /// The mark of their digest; 0 if nothing is known of them.
    pub mark: u64,
}

/// Groups records. What was read before a record that is refused comes as batches, without the one that it would have been
/// in: nothing of that batch is sent.
#[derive(Debug)]
pub struct Batches<I> {
    records: I,
    messages_max: usize,
    /// What was sent before is passed over.
    resume: Resume,
    digest: Digest,
    /// Records read so far.
    read: u64,
}

impl<I: Iterator<Item = Result<Record, ImportError>>> Batches<I> {
    /// `empty` is the digest of no record.
    pub fn new(records: I, messages_max: usize, resume: Resume, empty: Digest) -> Batches<I> {
        assert!((1..=BATCH_MESSAGES_MAX).contains(&messages_max));
        Batches { records, messages_max, resume, digest: empty, read: 0 }
    }

    /// Records read so far, those that were passed over included.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Whether all that was sent before is what was read now.
    fn check_resumed(&self) -> Result<(), ImportError> {
        let Resume { first, mark } = self.resume;
        if mark == MARK_OF_REFUSED {
            return Err(ImportError::RefusedBefore { records: first });
        }
        let is_other = self.read == first && mark != 0 && mark != self.digest.mark();
        if is_other { Err(ImportError::OtherInput { records: first }) } else { Ok(()) }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, ImportError> {
        let mut batch: Option<Batch> = None;
        let mut bytes = 0;
        while let Some(record) = self.records.next().transpose()? {
            let number = self.read;
            self.read += 1;
            let Record { line, body, offset } = record;
            self.digest = self.digest.with(&body);
            if number < self.resume.first {
                self.check_resumed()?;
                continue;
            }
            bytes += body.len();
            let digest = self.digest;
            let batch = batch.get_or_insert_with(|| Batch {
                first: number,
                bodies: Vec::new(),
                lines: (line, line),
                offset,
                digest,
            });
            batch.bodies.push(body);
            (batch.lines.1, batch.offset, batch.digest) = (line, offset, digest);
            if batch.bodies.len() >= self.messages_max || bytes >= BATCH_BYTES {
                break;
            }
        }
        Ok(batch)
    }
}

impl<I: Iterator<Item = Result<Record, ImportError>>> Iterator for Batches<I> {
    type Item = Result<Batch, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

#[cfg(test)]
mod tests {
    use handfast_protocol::QueueName;

    use super::super::{Content, Lines};
    use super::*;

    fn batches(input: &[u8], messages_max: usize, first: u64) -> (Vec<Batch>, Option<ImportError>, u64) {
        resumed(input, messages_max, Resume { first, mark: 0 })
    }

    fn resumed(input: &[u8], messages_max: usize, resume: Resume) -> (Vec<Batch>, Option<ImportError>, u64) {
        let mut batches = Batches::new(Lines::new(input, Content::Json), messages_max, resume, empty());
        let mut found = Vec::new();
        let mut error = None;
        for batch in &mut batches {
            match batch {
                Ok(batch) => found.push(batch),
                Err(refused) => {
                    error = Some(refused);
                    break;
                }
            }
        }
        (found, error, batches.read())
    }

    fn empty() -> Digest {
        Digest::of(&QueueName::new("orders").unwrap())
    }

    /// Of an input whose records are 10, 11 and so on.
    fn batch(first: u64, bodies: &[&'static str], lines: (u64, u64), offset: u64) -> Batch {
        let through = 10 + first + bodies.len() as u64;
        let digest = (10..through).fold(empty(), |digest, record| digest.with(record.to_string().as_bytes()));
        Batch { first, bodies: bodies.iter().map(|body| Bytes::from(*body)).collect(), lines, offset, digest }
    }

    #[test]
    fn another_input_is_not_gone_on_with() {
        let sent = batch(0, &["10", "11"], (1, 2), 6).digest.mark();
        let resume = Resume { first: 2, mark: sent };
        let (found, error, _) = resumed(b"10\n11\n12\n", 9, resume);
        assert_eq!((found, error.is_none()), (vec![batch(2, &["12"], (3, 3), 9)], true));
        let (found, error, _) = resumed(b"10\n99\n12\n", 9, resume);
        assert!(found.is_empty() && matches!(error, Some(ImportError::OtherInput { records: 2 })), "{error:?}");
        let (found, error, _) = resumed(b"10\n11\n12\n", 9, Resume { first: 2, mark: MARK_OF_REFUSED });
        assert!(found.is_empty() && matches!(error, Some(ImportError::RefusedBefore { records: 2 })), "{error:?}");
    }

    #[test]
    fn records_keep_their_numbers_whatever_was_sent_before() {
        let input = b"10\n11\n12\n13\n14\n";
        let (found, error, read) = batches(input, 2, 0);
        let all =
            [batch(0, &["10", "11"], (1, 2), 6), batch(2, &["12", "13"], (3, 4), 12), batch(4, &["14"], (5, 5), 15)];
        assert_eq!((found.as_slice(), error.is_none(), read), (&all[..], true, 5));
        let (found, _, read) = batches(input, 2, 3);
        assert_eq!((found, read), (vec![batch(3, &["13", "14"], (4, 5), 15)], 5));
        assert_eq!(batches(input, 2, 9).2, 5);
    }

    #[test]
    fn nothing_of_a_batch_with_a_bad_record_comes_out() {
        let (found, error, _) = batches(b"10\n11\n12\nbad\n14\n", 2, 0);
        assert_eq!(found, [batch(0, &["10", "11"], (1, 2), 6)]);
        assert!(matches!(error, Some(ImportError::NotJson { line: 4, .. })));
    }

    #[test]
    fn large_records_close_a_batch_early() {
        let line = format!("\"{}\"\n", "x".repeat(BATCH_BYTES / 2));
        let (found, _, _) = batches(line.repeat(5).as_bytes(), 100, 0);
        assert_eq!(found.iter().map(|batch| batch.bodies.len()).collect::<Vec<_>>(), [2, 2, 1]);
    }
}
