//! `handfast dead-letter`.

use std::collections::BTreeSet;

use handfast_client::{Handfast, PeekedMessage, Received};
use handfast_protocol::{MessageId, QueueName};
use serde::Serialize;

use super::messages::MessagePrinter;
use super::output::{print_done, print_list, print_one};
use super::peek::{Bodies, Pages, whole};
use super::progress::Progress;
use super::queue::queue_name;
use super::records::MessageRecord;
use super::{CommandError, Ended, Options, OutputFormat};

/// The queue of dead letters (P27).
const DEAD_LETTERS: &str = "dead-letter";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  handfast dead-letter list --queue orders
  handfast dead-letter show ID --output json
  handfast dead-letter return ID
  handfast dead-letter return --all --queue orders --to orders-again")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List dead letters, the oldest first
    List {
        /// Only those that came from this queue
        #[arg(long, value_name = "QUEUE", value_parser = queue_name)]
        queue: Option<QueueName>,
    },
    /// Show one dead letter, with its body
    Show { id: MessageId },
    /// Send dead letters back to the queues that they came from
    Return {
        /// All or none of them
        #[arg(required_unless_present = "all", value_name = "ID")]
        ids: Vec<MessageId>,
        /// Send them to this queue
        #[arg(long, value_name = "QUEUE", value_parser = queue_name)]
        to: Option<QueueName>,
        /// Every dead letter; a hundred at a time
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// With --all, only those that came from this queue
        #[arg(long, value_name = "QUEUE", value_parser = queue_name, requires = "all")]
        queue: Option<QueueName>,
    },
}

#[derive(Serialize)]
struct Returned {
    returned: u64,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let (handfast, output) = (options.connect().await?, options.output);
        match self.action {
            Action::List { queue } => list(&handfast, output, queue.as_ref()).await?,
            Action::Show { id } => {
                print_one(output, &MessageRecord::from(&handfast.dead_letter(id).await?))?;
            }
            Action::Return { mut ids, to, all, queue } => {
                let to = to.as_ref().map(QueueName::as_str);
                let returned = if all {
                    return_all(&handfast, queue.as_ref(), to).await?
                } else {
                    // One that is named twice is returned once.
                    let mut named = BTreeSet::new();
                    ids.retain(|id| named.insert(*id));
                    handfast.return_dead_letters(&ids, to).await?;
                    ids.len() as u64
                };
                print_done(output, &Returned { returned }, &format!("{returned} dead letters returned"))?;
            }
        }
        Ok(Ended::Done)
    }
}

async fn list(handfast: &Handfast, output: OutputFormat, queue: Option<&QueueName>) -> Result<(), CommandError> {
    match output {
        OutputFormat::Json => {
            let mut letters = Letters::new(handfast, queue, Bodies::Shown);
            let mut page = letters.next().await?;
            let mut printer = MessagePrinter::begin(output)?;
            while let Some(found) = page {
                for peeked in found {
                    if let Some(letter) = whole(handfast, peeked).await? {
                        printer.print(&letter)?;
                    }
                }
                printer.flush()?;
                page = letters.next().await?;
            }
            printer.end()?;
        }
        OutputFormat::Text => {
            // A table is as wide as its widest row: it is made of all of them, without their bodies.
            let mut letters = Letters::new(handfast, queue, Bodies::Left);
            let mut rows = Vec::new();
            while let Some(found) = letters.next().await? {
                rows.extend(found.iter().map(|peeked| MessageRecord::from(&peeked.message)));
            }
            print_list(output, &rows, &["id", "queue", "reason", "attempts", "dead_at", "label", "error"])?;
        }
    }
    Ok(())
}

/// A page at a time, each in one transaction.
async fn return_all(handfast: &Handfast, queue: Option<&QueueName>, to: Option<&str>) -> Result<u64, CommandError> {
    let progress = Progress::of_messages(handfast.queue(DEAD_LETTERS).await?.messages);
    let mut letters = Letters::new(handfast, queue, Bodies::Left);
    let mut returned = 0;
    while let Some(found) = letters.next().await? {
        if !found.is_empty() {
            let ids: Vec<MessageId> = found.iter().map(|letter| letter.message.id).collect();
            handfast.return_dead_letters(&ids, to).await?;
            returned += ids.len() as u64;
        }
        progress.update(letters.seen, returned);
    }
    Ok(returned)
}

/// The dead letters that came from a queue, or all of them, page by page.
struct Letters<'a> {
    pages: Pages<'a>,
    queue: Option<&'a QueueName>,
    /// Those of other queues among them.
    seen: u64,
}

impl<'a> Letters<'a> {
    fn new(handfast: &'a Handfast, queue: Option<&'a QueueName>, bodies: Bodies) -> Letters<'a> {
        Letters { pages: Pages::new(handfast, DEAD_LETTERS, bodies), queue, seen: 0 }
    }

    /// Those of the next page, perhaps none of it; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<PeekedMessage>>, CommandError> {
        let mut page = self.pages.next(u64::MAX).await?;
        if page.is_empty() {
            return Ok(None);
        }
        self.seen += page.len() as u64;
        page.retain(|peeked| self.came_from_queue(&peeked.message));
        Ok(Some(page))
    }

    fn came_from_queue(&self, letter: &Received) -> bool {
        match (self.queue, &letter.message.dead_letter) {
            (None, _) => true,
            (Some(queue), Some(letter)) => letter.queue == *queue,
            (Some(_), None) => false,
        }
    }
}
