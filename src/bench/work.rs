//! What one logical client does, time after time.

use std::time::Duration;

use handfast_client::{Handfast, Message, Sender};

use super::error::BenchError;
use super::ledger::{Database, Ledger, Order};
use super::load::{Load, LoadClient};
use super::noise::Noise;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Each client sends a message and waits until it is durable.
    Send,
    /// Each receives a message in a transaction and commits.
    Receive,
    /// Receives from one queue, sends to another, commits.
    Transfer,
    /// The same with a row inserted and a balance updated in a database, in one transaction with the queues.
    Pair(Database),
}

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Send => "send",
            Kind::Receive => "receive",
            Kind::Transfer => "transfer",
            Kind::Pair(_) => "pair",
        }
    }
}

/// The same, with everything that it needs.
#[derive(Debug)]
pub enum Work {
    Send { to: String, size: usize, noise: Noise },
    Receive { from: String },
    Transfer { from: String, to: String },
    Pair { from: String, to: String, ledger: Ledger },
}

/// What came of one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Done,
    /// There is no message left to receive.
    Dry,
}

impl Work {
    /// Those who do it. They share one session, as the work of one application does; a producer with a window is as many of
    /// them as it may have messages without an answer.
    pub fn clients<'w>(&'w self, handfast: &'w Handfast, load: &Load) -> Vec<ServerClient<'w>> {
        let client = |sender| ServerClient { work: self, handfast, sender };
        match self {
            Work::Send { to, .. } if load.window > 1 => {
                let producers = std::iter::repeat_with(|| handfast.sender(to)).take(load.concurrency);
                producers.flat_map(|sender| vec![client(Some(sender)); load.window]).collect()
            }
            _ => vec![client(None); load.concurrency],
        }
    }
}

/// One of those who work at a server.
#[derive(Debug, Clone)]
pub struct ServerClient<'w> {
    work: &'w Work,
    handfast: &'w Handfast,
    sender: Option<Sender>,
}

impl LoadClient for ServerClient<'_> {
    async fn turn(&self) -> Result<Turn, BenchError> {
        let handfast = self.handfast;
        let (from, to, ledger) = match self.work {
            Work::Send { to, size, noise } => {
                let message = Message::bytes(noise.piece(*size));
                match &self.sender {
                    Some(sender) => sender.send(message).await?.await?,
                    None => handfast.send(to, message).await?,
                };
                return Ok(Turn::Done);
            }
            Work::Receive { from } => (from, None, None),
            Work::Transfer { from, to } => (from, Some(to), None),
            Work::Pair { from, to, ledger } => (from, Some(to), Some(ledger)),
        };
        let Some((mut transaction, received)) = handfast.begin_receive(from, Duration::ZERO).await? else {
            return Ok(Turn::Dry);
        };
        if let Some(ledger) = ledger {
            let order: Order = received.json().map_err(BenchError::Order)?;
            ledger.enter(&mut transaction, &order).await?;
        }
        if let Some(to) = to {
            transaction.send_with_commit(to, Message::bytes(received.message.body));
        }
        transaction.commit().await.into_result()?;
        Ok(Turn::Done)
    }
}
