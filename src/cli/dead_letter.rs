//! `handfast dead-letter`.

use handfast_client::{Handfast, Received};
use handfast_protocol::{MessageId, QueueName};
use serde::Serialize;

use super::messages::MessagePrinter;
use super::output::{print_done, print_list, print_one};
use super::peek::Pages;
use super::queue::queue_name;
use super::records::MessageRecord;
use super::{CommandError, Ended, Options, OutputFormat};

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
            Action::Return { ids, to, all, queue } => {
                let to = to.as_ref().map(QueueName::as_str);
                let returned = if all {
                    return_all(&handfast, queue.as_ref(), to).await?
                } else {
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
    let dead_letters = QueueName::dead_letter();
    let mut pages = Pages::new(handfast, dead_letters.as_str());
    match output {
        OutputFormat::Json => {
            let mut page = pages.next(u64::MAX).await?;
            let mut printer = MessagePrinter::begin(output)?;
            while !page.is_empty() {
                for letter in page.iter().filter(|letter| came_from(letter, queue)) {
                    printer.print(letter)?;
                }
                printer.flush()?;
                page = pages.next(u64::MAX).await?;
            }
            printer.end()?;
        }
        OutputFormat::Text => {
            // A table is as wide as its widest row: it is made of all of them, without their bodies.
            let mut rows = Vec::new();
            loop {
                let page = pages.next(u64::MAX).await?;
                if page.is_empty() {
                    break;
                }
                let found = page.iter().filter(|letter| came_from(letter, queue));
                rows.extend(found.map(|letter| MessageRecord::from(letter).without_body()));
            }
            print_list(output, &rows, &["id", "queue", "reason", "attempts", "dead_at", "label", "error"])?;
        }
    }
    Ok(())
}

fn came_from(letter: &Received, queue: Option<&QueueName>) -> bool {
    match (queue, &letter.message.dead_letter) {
        (None, _) => true,
        (Some(queue), Some(letter)) => letter.queue == *queue,
        (Some(_), None) => false,
    }
}

/// A page at a time, each in one transaction.
async fn return_all(handfast: &Handfast, queue: Option<&QueueName>, to: Option<&str>) -> Result<u64, CommandError> {
    let dead_letters = QueueName::dead_letter();
    let mut pages = Pages::new(handfast, dead_letters.as_str());
    let mut returned = 0;
    loop {
        let page = pages.next(u64::MAX).await?;
        if page.is_empty() {
            return Ok(returned);
        }
        let ids: Vec<MessageId> =
            page.iter().filter(|letter| came_from(letter, queue)).map(|letter| letter.message.id).collect();
        if !ids.is_empty() {
            handfast.return_dead_letters(&ids, to).await?;
            returned += ids.len() as u64;
        }
    }
}
