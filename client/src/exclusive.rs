//! An exclusive reader: strict order for those who need it (P23).

use std::sync::Arc;
use std::time::Duration;

use handfast_wire::v1;

use crate::error::{Cause, RequestError};
use crate::receive::millis;
use crate::session::{Ask, Session, expect_answer};

/// While it is open, no other client receives from its queue. It is a lease of the connection: when that is lost, so is the
/// reader, and the transaction that was active on it.
#[derive(Debug)]
pub struct ExclusiveReader {
    session: Session,
    queue: String,
    /// The connection that holds the lease.
    generation: u64,
}

impl ExclusiveReader {
    pub(crate) async fn open(session: Session, queue: &str, wait: Duration) -> Result<ExclusiveReader, RequestError> {
        let generation = session.connection().await?.generation;
        // Made before the answer: a cancelled opening closes what it may have opened, and the lease is kept from its first
        // moment on.
        session.exclusive_reader_opened();
        let reader = ExclusiveReader { session, queue: queue.to_owned(), generation };
        let ask = Ask::OpenExclusive(v1::OpenExclusive { queue: queue.to_owned(), wait_ms: millis(wait) });
        let answer = reader.session.start_ask(ask, Some(generation)).await?.await?;
        expect_answer!(reader.session, answer, Done, "open exclusive")?;
        Ok(reader)
    }

    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Whether the lease is held still, as far as this end knows. Once lost it is opened anew.
    pub fn is_held(&self) -> bool {
        self.session.generation() == self.generation
    }

    /// An error that says so, for callers that only go on while it is held.
    pub fn check(&self) -> Result<(), RequestError> {
        if self.is_held() {
            return Ok(());
        }
        Err(RequestError::Lost { server: Arc::clone(self.session.server()), cause: Cause::Replaced })
    }
}

impl Drop for ExclusiveReader {
    fn drop(&mut self) {
        self.session.exclusive_reader_closed();
        if self.is_held() {
            self.session.tell(Ask::CloseExclusive(v1::CloseExclusive { queue: std::mem::take(&mut self.queue) }));
        }
    }
}
