//! `handfast peek`.

use handfast_client::{Handfast, PeekedMessage, Place, Received, RefusalCode};
use handfast_protocol::QueueName;
use handfast_protocol::limits::CHUNK_BYTES_MAX;

use super::messages::MessagePrinter;
use super::queue::queue_name;
use super::{CommandError, Ended, Options};

/// Messages of one page: few enough to keep it small, enough that pages are few.
const PAGE: u32 = 100;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints what can be received now, in the order in which it would be: messages that a transaction holds are left out.

Examples:
  handfast peek orders --count 5
  handfast peek orders --output json")]
pub struct Args {
    #[arg(value_parser = queue_name)]
    queue: QueueName,
    /// At most so many messages [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let handfast = options.connect().await?;
        let mut pages = Pages::new(&handfast, self.queue.as_str(), Bodies::Shown);
        let mut left = self.count.unwrap_or(u64::MAX);
        // The first page is asked for before anything is printed: an unknown queue prints nothing.
        let mut page = pages.next(left).await?;
        let mut printer = MessagePrinter::begin(options.output)?;
        while !page.is_empty() {
            left -= page.len() as u64;
            for peeked in page {
                if let Some(message) = whole(&handfast, peeked).await? {
                    printer.print(&message)?;
                }
            }
            printer.flush()?;
            page = pages.next(left).await?;
        }
        printer.end()?;
        Ok(Ended::Done)
    }
}

/// Whether the bodies of peeked messages will be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    Shown,
    Left,
}

/// The messages of a queue, page by page.
#[derive(Debug)]
pub struct Pages<'a> {
    handfast: &'a Handfast,
    queue: &'a str,
    bodies: Bodies,
    after: Option<Place>,
}

impl<'a> Pages<'a> {
    pub fn new(handfast: &'a Handfast, queue: &'a str, bodies: Bodies) -> Pages<'a> {
        Pages { handfast, queue, bodies, after: None }
    }

    /// The next messages, at most `limit`; none at the end of the queue.
    pub async fn next(&mut self, limit: u64) -> Result<Vec<PeekedMessage>, CommandError> {
        let limit = u32::try_from(limit).unwrap_or(PAGE).min(PAGE);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let body_bytes = match self.bodies {
            // All that is not apart.
            Bodies::Shown => u32::try_from(CHUNK_BYTES_MAX).expect("a chunk is far below 4 GiB"),
            Bodies::Left => 0,
        };
        let page = self.handfast.peek(self.queue, self.after, limit, body_bytes).await?;
        self.after = page.last().map(|peeked| peeked.place).or(self.after);
        Ok(page)
    }
}

/// The message with its whole body, one at a time: bodies may be large. None where somebody received it meanwhile.
pub async fn whole(handfast: &Handfast, peeked: PeekedMessage) -> Result<Option<Received>, CommandError> {
    match handfast.peeked_body(&peeked).await {
        Ok(body) => {
            let mut received = peeked.message;
            received.message.body = body;
            Ok(Some(received))
        }
        // The body that rested apart is gone.
        Err(error) if error.code() == Some(RefusalCode::Invalid) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
