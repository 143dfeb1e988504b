//! `handfast queue`.

use std::convert::Infallible;
use std::time::Duration;

use handfast_client::{Fate, Handfast, QueueSettings, RefusalCode, RequestError};
use handfast_protocol::QueueName;
use serde::Serialize;

use super::output::{print_done, print_list, print_one};
use super::progress::Progress;
use super::records::QueueRecord;
use super::{CommandError, Ended, Options, OutputFormat};

/// How often a queue that is being emptied is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  handfast queue create orders --max-attempts 3
  handfast queue list --output json
  handfast queue purge orders --to-dead-letter")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Create a queue
    Create {
        #[arg(value_parser = queue_name)]
        queue: QueueName,
        /// Failures of its consumers' own doing, after which a message is a dead letter [default: 5]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        max_attempts: Option<u32>,
        /// Consumers that may vanish while holding a message, before it is a dead letter [default: 20]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        max_abandoned: Option<u32>,
        /// A queue that is there already is left as it is
        #[arg(long)]
        if_not_exists: bool,
    },
    /// List all queues
    List,
    /// Show one queue
    Show {
        #[arg(value_parser = queue_name)]
        queue: QueueName,
    },
    /// Delete a queue; its messages become dead letters
    Delete {
        #[arg(value_parser = queue_name)]
        queue: QueueName,
        /// Remove its messages for good
        #[arg(long)]
        discard: bool,
    },
    /// Remove all messages of a queue for good
    Purge {
        #[arg(value_parser = queue_name)]
        queue: QueueName,
        /// Make dead letters of them
        #[arg(long)]
        to_dead_letter: bool,
    },
}

#[derive(Serialize)]
struct Created<'a> {
    queue: &'a str,
    created: bool,
}

#[derive(Serialize)]
struct Deleted<'a> {
    queue: &'a str,
    deleted: bool,
}

#[derive(Serialize)]
struct Purged<'a> {
    queue: &'a str,
    removed: u64,
}

/// A queue's name as an argument: a wrong one is wrong usage.
pub fn queue_name(text: &str) -> Result<QueueName, handfast_protocol::QueueNameError> {
    QueueName::new(text)
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let (handfast, output) = (options.connect().await?, options.output);
        match self.action {
            Action::Create { queue, max_attempts, max_abandoned, if_not_exists } => {
                let settings = QueueSettings { max_attempts, max_abandoned };
                create(&handfast, output, queue.as_str(), settings, if_not_exists).await?;
            }
            Action::List => {
                let views = handfast.queues().await?;
                let records: Vec<QueueRecord> = views.into_iter().map(QueueRecord::from).collect();
                print_list(output, &records, &["name", "messages", "bytes", "locked", "in_doubt", "max_attempts"])?;
            }
            Action::Show { queue } => {
                print_one(output, &QueueRecord::from(handfast.queue(queue.as_str()).await?))?;
            }
            Action::Delete { queue, discard } => {
                let fate = if discard { Fate::Discard } else { Fate::DeadLetter };
                watched(&handfast, &queue, handfast.delete_queue(queue.as_str(), fate)).await?;
                let deleted = Deleted { queue: queue.as_str(), deleted: true };
                print_done(output, &deleted, &format!("queue {queue} is deleted"))?;
            }
            Action::Purge { queue, to_dead_letter } => {
                let fate = if to_dead_letter { Fate::DeadLetter } else { Fate::Discard };
                let removed = watched(&handfast, &queue, handfast.purge_queue(queue.as_str(), fate)).await?;
                let purged = Purged { queue: queue.as_str(), removed };
                print_done(output, &purged, &format!("{removed} messages removed from queue {queue}"))?;
            }
        }
        Ok(Ended::Done)
    }
}

/// Shows how the queue empties while `removal` is under way.
async fn watched<T>(
    handfast: &Handfast,
    queue: &QueueName,
    removal: impl Future<Output = Result<T, RequestError>>,
) -> Result<T, RequestError> {
    let total = handfast.queue(queue.as_str()).await?.messages;
    let progress = Progress::of_messages(total);
    if progress.is_hidden() {
        return removal.await;
    }
    let watch = async {
        // Its end is for the removal to tell.
        while let Ok(view) = handfast.queue(queue.as_str()).await {
            let removed = total.saturating_sub(view.messages);
            progress.update(removed, removed);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        removed = removal => removed,
        never = watch => match never {},
    }
}

async fn create(
    handfast: &Handfast,
    output: OutputFormat,
    queue: &str,
    settings: QueueSettings,
    if_not_exists: bool,
) -> Result<(), CommandError> {
    let created = match handfast.create_queue(queue, settings).await {
        Ok(()) => true,
        Err(error) if if_not_exists && error.code() == Some(RefusalCode::QueueExists) => false,
        Err(error) => return Err(error.into()),
    };
    let sentence =
        if created { format!("queue {queue} is created") } else { format!("queue {queue} is there already") };
    Ok(print_done(output, &Created { queue, created }, &sentence)?)
}
