//! `handfast peek`.

use handfast_client::{Handfast, Received};
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
        let mut pages = Pages::new(&handfast, self.queue.as_str());
        let mut left = self.count.unwrap_or(u64::MAX);
        // The first page is asked for before anything is printed: an unknown queue prints nothing.
        let mut page = pages.next(left).await?;
        let mut printer = MessagePrinter::begin(options.output)?;
        while !page.is_empty() {
            for message in &page {
                printer.print(message)?;
            }
            printer.flush()?;
            left -= page.len() as u64;
            page = pages.next(left).await?;
        }
        printer.end()?;
        Ok(Ended::Done)
    }
}

/// The messages of a queue, page by page, with their whole bodies.
#[derive(Debug)]
pub struct Pages<'a> {
    handfast: &'a Handfast,
    queue: &'a str,
    after: Option<handfast_client::Place>,
}

impl<'a> Pages<'a> {
    pub fn new(handfast: &'a Handfast, queue: &'a str) -> Pages<'a> {
        Pages { handfast, queue, after: None }
    }

    /// The next messages, at most `limit`; none at the end of the queue.
    pub async fn next(&mut self, limit: u64) -> Result<Vec<Received>, CommandError> {
        let limit = u32::try_from(limit).unwrap_or(PAGE).min(PAGE);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let body_bytes = u32::try_from(CHUNK_BYTES_MAX).expect("a chunk is far below 4 GiB");
        let page = self.handfast.peek(self.queue, self.after, limit, body_bytes).await?;
        let mut messages = Vec::with_capacity(page.len());
        for peeked in page {
            self.after = Some(peeked.place);
            // What rests apart is read by itself. Received meanwhile, it is no longer there to be peeked at.
            let body = self.handfast.peeked_body(&peeked).await?;
            let mut received = peeked.message;
            received.message.body = body;
            messages.push(received);
        }
        Ok(messages)
    }
}
