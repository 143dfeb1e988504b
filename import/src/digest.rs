//! A digest of what an import has sent so far, by which another input under the same producer's name is told apart.

use handfast_protocol::{MARK_OF_REFUSED, QueueName};

/// Of a queue, and of the records that were sent to it, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u32);

impl Digest {
    /// Of nothing, to this queue. Names of queues are the same whatever their case.
    pub fn of(queue: &QueueName) -> Digest {
        Digest(crc32c::crc32c(queue.folded().as_bytes()))
    }

    /// Of what a producer has sent to this queue, by its mark; `None` where that says nothing.
    pub fn after(producer_next: u64, mark: u64, queue: &QueueName) -> Option<Digest> {
        match (producer_next, mark) {
            (0, _) => Some(Digest::of(queue)),
            (_, 0 | MARK_OF_REFUSED) => None,
            (_, mark) => Some(Digest(mark as u32)),
        }
    }

    #[must_use]
    pub fn with(self, body: &[u8]) -> Digest {
        let length = crc32c::crc32c_append(self.0, &(body.len() as u64).to_le_bytes());
        Digest(crc32c::crc32c_append(length, body))
    }

    /// As the producer's mark; never 0, which says nothing.
    pub fn mark(self) -> u64 {
        1 << 32 | u64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_content_order_and_borders_are_in_it() {
        let of = |queue: &str, bodies: &[&str]| {
            let empty = Digest::of(&QueueName::new(queue).unwrap());
            bodies.iter().fold(empty, |digest, body| digest.with(body.as_bytes())).mark()
        };
        let same = of("orders", &["ab", "c"]);
        assert_eq!(of("Orders", &["ab", "c"]), same);
        for other in [
            of("orders2", &["ab", "c"]),
            of("orders", &["c", "ab"]),
            of("orders", &["a", "bc"]),
            of("orders", &["ab"]),
            of("orders", &["ab", "c", ""]),
        ] {
            assert_ne!(other, same);
        }
    }
}
