//! Who sends the messages: as many as the run is ready for, each once (P24), over every crash of the server.

use handfast_checker::history::{Event, Op, What};
use handfast_client::Handfast;
use tokio::sync::{mpsc, watch};

use crate::error::CrashTestError;
use crate::messages::Outgoing;
use crate::witness::{now, told};

/// The process, as the history calls it.
const SENDER: &str = "sender";

/// Sends up to `allowed` of the messages, and tells each step and how many are sent. Ends when all are.
pub async fn send_all(
    handfast: Handfast,
    queue: String,
    outgoing: Vec<Outgoing>,
    mut allowed: watch::Receiver<u64>,
    sent: watch::Sender<u64>,
    steps: mpsc::UnboundedSender<Event>,
) -> Result<(), CrashTestError> {
    // The run reads them at its end, whatever that is.
    let tell = |what| steps.send(Event { at: now(), process: SENDER.to_owned(), what }).ok();
    let mut producer = handfast.producer(SENDER).await?;
    for (number, outgoing) in (1..).zip(&outgoing) {
        if allowed.wait_for(|allowed| *allowed >= number).await.is_err() {
            break;
        }
        let message = outgoing.message();
        let told = told(&message.properties, &message.body);
        let op = Op::Send { transaction: None, queue: queue.clone(), message: told };
        tell(What::Invoke(op.clone()));
        producer.send(&queue, message).await?;
        tell(What::Ok(op));
        sent.send_replace(number);
    }
    Ok(())
}
