//! Idempotent producers (P24): a retry after a lost answer is answered with the first result.

use std::fmt;

use crate::limits::PRODUCER_NAME_BYTES_MAX;

/// The name under which a producer's sequence is remembered: 1 to 128 bytes of UTF-8 without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("producer name {0:?} is not 1 to {PRODUCER_NAME_BYTES_MAX} bytes without control characters")]
pub struct ProducerNameError(pub String);

impl ProducerName {
    pub fn new(name: impl Into<String>) -> Result<ProducerName, ProducerNameError> {
        let name = name.into();
        let fits = (1..=PRODUCER_NAME_BYTES_MAX).contains(&name.len());
        if !fits || name.chars().any(char::is_control) {
            return Err(ProducerNameError(name));
        }
        Ok(ProducerName(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProducerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The mark of a stream of which a send was refused, in the place of what its producer said: what lies under its name is not
/// what its sequences say, until a newer epoch begins (P24).
pub const MARK_OF_REFUSED: u64 = u64::MAX;

/// The place of one send (or one batch of sends) in a producer's stream. A newer epoch fences the older; within an epoch
/// sequences follow each other without a gap (P24).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerSequence {
    pub producer: ProducerName,
    pub epoch: u64,
    pub sequence: u64,
    /// What the producer says of its stream up to the end of this send; opaque here, and told to whoever goes on with the
    /// stream, who can see by it whether it is the same one.
    pub mark: u64,
}
