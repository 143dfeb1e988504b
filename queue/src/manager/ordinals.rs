//! The numbers that name messages, bodies, stages and the manager's own transactions: never given twice.

use bytes::Bytes;
use handfast_protocol::{Bqual, Gtrid, MessageId, Xid};
use uuid::Uuid;

use super::RequestRefused;
use super::limits::ORDINAL_COUNTER_BITS;

/// Ordinals of one epoch: `epoch << 40 | counter`. A new leadership has a new epoch (P2), so nothing has to be stored.
#[derive(Debug)]
pub(super) struct Ordinals {
    manager: Uuid,
    epoch: u64,
    counter: u64,
}

impl Ordinals {
    /// The format id of the transactions in which the manager itself receives for a caller that named none: "HRCV" in
    /// ASCII. Their gtrid is the queue manager's identity and an ordinal; they are never prepared, so never in doubt.
    pub const FORMAT_RECEIVE: u32 = u32::from_be_bytes(*b"HRCV");

    pub fn new(manager: Uuid, epoch: u64) -> Ordinals {
        assert!(epoch >> (64 - ORDINAL_COUNTER_BITS) == 0, "epoch {epoch} leaves no room for ordinals");
        Ordinals { manager, epoch, counter: 0 }
    }

    pub fn draw(&mut self) -> Result<u64, RequestRefused> {
        if self.counter >> ORDINAL_COUNTER_BITS != 0 {
            return Err(RequestRefused::OrdinalsUsedUp);
        }
        let ordinal = self.epoch << ORDINAL_COUNTER_BITS | self.counter;
        self.counter += 1;
        Ok(ordinal)
    }

    pub fn draw_message_id(&mut self) -> Result<MessageId, RequestRefused> {
        Ok(MessageId { manager: self.manager, ordinal: self.draw()? })
    }

    /// A transaction of the manager's own.
    pub fn draw_xid(&mut self) -> Result<Xid, RequestRefused> {
        let ordinal = self.draw()?;
        let gtrid = [self.manager.as_bytes().as_slice(), &ordinal.to_be_bytes()].concat();
        Ok(Xid {
            format_id: Ordinals::FORMAT_RECEIVE,
            gtrid: Gtrid::new(gtrid).expect("24 bytes are below the limit of 64"),
            bqual: Bqual::new(Bytes::new()).expect("no bytes are below the limit of 64"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_end_and_never_repeat() {
        let mut ordinals = Ordinals::new(Uuid::nil(), 3);
        assert_eq!(ordinals.draw(), Ok(3 << 40));
        assert_eq!(ordinals.draw(), Ok(3 << 40 | 1));
        ordinals.counter = (1 << 40) - 1;
        assert_eq!(ordinals.draw(), Ok((4 << 40) - 1));
        assert_eq!(ordinals.draw(), Err(RequestRefused::OrdinalsUsedUp));
        assert_eq!(Ordinals::new(Uuid::nil(), 4).draw(), Ok(4 << 40));
    }
}
