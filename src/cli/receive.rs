//! `handfast receive`: messages leave their queue only when they have been printed and flushed. Cut at any moment, it may
//! print a message again the next time, and never loses one.

use std::time::Duration;

use handfast_client::{Blame, Handfast, Transaction};
use handfast_protocol::QueueName;
use tokio::time::Instant;

use super::messages::MessagePrinter;
use super::queue::queue_name;
use super::{CommandError, Ended, Options, parse_duration};

/// Messages that one transaction takes: they share its flush to disk.
const MESSAGES_PER_TRANSACTION: u64 = 100;

/// A transaction takes no further message once it holds this many bytes.
const BYTES_PER_TRANSACTION: usize = 4 << 20;

/// How long one transaction waits for its first message; a longer wait is several transactions.
const WAIT_PER_TRANSACTION: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the bodies, one a line; with --output json one array of messages. Exit code 0 with at least one message, 3 with none.

Examples:
  handfast receive orders
  handfast receive orders --count 10 --wait 5s --output json")]
pub struct Args {
    #[arg(value_parser = queue_name)]
    queue: QueueName,
    /// At most so many messages
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Wait so long for each message, if there is none, such as 5s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    wait: Duration,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let handfast = options.connect().await?;
        // Only whoever knows the queue begins to print.
        handfast.queue(self.queue.as_str()).await?;
        let mut printer = MessagePrinter::begin(options.output)?;
        let mut received = 0;
        let mut deadline = Instant::now() + self.wait;
        while received < self.count {
            let taken = self.receive_some(&handfast, &mut printer, deadline, self.count - received).await?;
            received += taken;
            if taken > 0 {
                deadline = Instant::now() + self.wait;
            } else if Instant::now() >= deadline {
                break;
            }
        }
        printer.end()?;
        Ok(if received > 0 { Ended::Done } else { Ended::NoMessage })
    }

    /// One transaction: receives, prints, flushes, commits. How many messages it took.
    async fn receive_some(
        &self,
        handfast: &Handfast,
        printer: &mut MessagePrinter,
        deadline: Instant,
        count: u64,
    ) -> Result<u64, CommandError> {
        let mut transaction = handfast.begin().await?;
        let printed = match self.print_some(&mut transaction, printer, deadline, count).await {
            Ok(printed) => printed,
            Err(error) => {
                // The cause is the better report; what was received goes back to its place either way.
                transaction.rollback(Blame::None).await.ok();
                return Err(error);
            }
        };
        if printed == 0 {
            transaction.rollback(Blame::None).await?;
        } else {
            transaction.commit().await.into_result()?;
        }
        Ok(printed)
    }

    async fn print_some(
        &self,
        transaction: &mut Transaction,
        printer: &mut MessagePrinter,
        deadline: Instant,
        count: u64,
    ) -> Result<u64, CommandError> {
        let (mut printed, mut bytes) = (0, 0);
        let mut wait = deadline.saturating_duration_since(Instant::now()).min(WAIT_PER_TRANSACTION);
        while printed < count.min(MESSAGES_PER_TRANSACTION) && bytes < BYTES_PER_TRANSACTION {
            let Some(message) = transaction.receive_within(self.queue.as_str(), wait).await? else { break };
            printer.print(&message)?;
            printed += 1;
            bytes += message.body.len();
            // What is printed is not held back for what may still come.
            wait = Duration::ZERO;
        }
        printer.flush()?;
        Ok(printed)
    }
}
