//! Many messages from one input: read in a thread, sent in transactions of one batch each.
//!
//! - With a producer several batches are under way, in order. Each record carries its number as its sequence (P24), so that
//!   whatever is cut, of this process or of the server, nothing is sent twice and nothing is left out.
//! - Without one a batch is sent when the one before it is known to be there: what was cut can be told.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use handfast_client::{Handfast, Message, Producer, RefusalCode, RequestError, SendError, Sent};
use handfast_import::{BATCH_MESSAGES_MAX, Batch, Batches, Digest, ImportError, Record, Resume};
use handfast_protocol::QueueName;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::progress::Progress;
use super::{CommandError, Options};

/// Batches that are read ahead of those under way.
const BATCHES_READ_AHEAD: usize = 4;

/// Batches under way at a time: while one is flushed to the disk the next are on the wire.
const BATCHES_UNDER_WAY: usize = 8;

/// Messages under way at a time. The server keeps the results of so many of a producer's sequences: a batch that has to be
/// sent again after a cut is still known (P24).
const MESSAGES_UNDER_WAY: usize = BATCH_MESSAGES_MAX;

/// An import that has to be described.
#[derive(Debug)]
pub struct Import<'a> {
    pub queue: &'a QueueName,
    /// Every message but its body.
    pub template: Message,
    /// Messages of one transaction.
    pub batch: usize,
    pub producer: Option<&'a str>,
    /// How long a server that is away is waited for.
    pub retry_for: Duration,
    /// The length of the input, where it has one.
    pub input_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub sent: u64,
    /// Sent by an earlier run.
    pub skipped: u64,
}

/// An import that ended before its input did.
#[derive(Debug, thiserror::Error)]
#[error("{cause}; {}", what_was_sent(totals, maybe))]
pub struct ImportFailed {
    pub totals: Totals,
    /// The lines of the batch whose answer was lost.
    pub maybe: Option<(u64, u64)>,
    pub cause: ImportCause,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportCause {
    #[error(transparent)]
    Input(#[from] ImportError),
    #[error("lines {} to {}: {cause}", lines.0, lines.1)]
    Send { lines: (u64, u64), cause: SendError },
    #[error("no answer from {server} for {within:?}; run the same command again to go on")]
    Away { server: String, within: Duration },
    #[error(
        "producer {producer} has sent {known} messages already, and this input has {found}: it is not the input that was sent under this name; choose another --producer"
    )]
    OtherInput { producer: String, known: u64, found: u64 },
    #[error("interrupted")]
    Interrupted,
    #[error("the thread that reads the input cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the thread that reads the input ended early")]
    ReaderEnded,
}

fn what_was_sent(totals: &Totals, maybe: &Option<(u64, u64)>) -> String {
    let Totals { sent, skipped } = totals;
    let mut text = match skipped {
        0 => format!("{sent} messages were sent"),
        _ => format!("{sent} messages were sent, and {skipped} before"),
    };
    if let Some((first, last)) = maybe {
        text.push_str(&format!(", and perhaps those of lines {first} to {last}"));
    }
    text
}

impl ImportFailed {
    /// Before anything was sent.
    pub fn refused(cause: impl Into<ImportCause>) -> ImportFailed {
        ImportFailed { totals: Totals::default(), maybe: None, cause: cause.into() }
    }
}

/// What the reading thread has to say.
enum Read {
    Batch(Batch),
    /// The input has ended; so many records it had.
    End {
        records: u64,
    },
    Failed(ImportError),
}

impl Import<'_> {
    pub async fn run<I>(&self, handfast: &Handfast, options: &Options, records: I) -> Result<Totals, CommandError>
    where
        I: Iterator<Item = Result<Record, ImportError>> + Send + 'static,
    {
        let progress = Progress::of_bytes(self.input_bytes);
        let digest = Digest::of(self.queue);
        match self.producer {
            None => {
                let input = read_in_thread(Batches::new(records, self.batch, Resume { first: 0, mark: 0 }, digest))?;
                Ok(self.send_one_by_one(handfast, input, &progress).await?)
            }
            Some(name) => {
                let ask = || async { Ok(handfast.producer(name).await?) };
                let producer = options.patiently(self.retry_for, ask).await?;
                let resume = Resume { first: producer.next(), mark: producer.mark() };
                let input = read_in_thread(Batches::new(records, self.batch, resume, digest))?;
                let totals = Pipeline::new(self, &producer, options.server()).run(input, &progress).await?;
                let now = options.patiently(self.retry_for, ask).await?;
                Ok(nobody_sent_more(totals, &now)?)
            }
        }
    }

    async fn send_one_by_one(
        &self,
        handfast: &Handfast,
        mut input: mpsc::Receiver<Read>,
        progress: &Progress,
    ) -> Result<Totals, ImportFailed> {
        let mut totals = Totals::default();
        loop {
            let batch = tokio::select! {
                read = input.recv() => match read {
                    Some(Read::Batch(batch)) => batch,
                    Some(Read::End { .. }) => return Ok(totals),
                    Some(Read::Failed(error)) => return Err(failed(totals, error)),
                    None => return Err(failed(totals, ImportCause::ReaderEnded)),
                },
                Ok(()) = tokio::signal::ctrl_c() => return Err(failed(totals, ImportCause::Interrupted)),
            };
            let lines = batch.lines;
            if let Err(cause) = handfast.send_batch(self.queue.as_str(), self.messages(&batch)).await {
                let maybe = may_have_happened(&cause).then_some(lines);
                return Err(ImportFailed { totals, maybe, cause: ImportCause::Send { lines, cause } });
            }
            totals.sent += batch.bodies.len() as u64;
            progress.update(batch.offset, totals.sent);
        }
    }

    fn messages(&self, batch: &Batch) -> Vec<Message> {
        let message = |body| Message { body, ..self.template.clone() };
        batch.bodies.iter().cloned().map(message).collect()
    }
}

/// Sends a producer's batches, several at a time and in order.
///
/// A batch that overtakes another one is refused with a gap, and has no effect. It is sent again when all before it are
/// answered.
struct Pipeline<'a> {
    import: &'a Import<'a>,
    producer: &'a Producer,
    server: &'a str,
    totals: Totals,
    messages_under_way: usize,
    /// Where the input ended.
    end: Option<u64>,
}

impl<'a> Pipeline<'a> {
    fn new(import: &'a Import<'a>, producer: &'a Producer, server: &'a str) -> Pipeline<'a> {
        let totals = Totals { sent: 0, skipped: producer.next() };
        Pipeline { import, producer, server, totals, messages_under_way: 0, end: None }
    }

    async fn run(mut self, mut input: mpsc::Receiver<Read>, progress: &Progress) -> Result<Totals, ImportFailed> {
        let mut under_way = FuturesOrdered::new();
        // What was read before it is sent first.
        let mut input_error = None;
        loop {
            let is_open = self.end.is_none() && input_error.is_none();
            let has_room = under_way.len() < BATCHES_UNDER_WAY && self.messages_under_way < MESSAGES_UNDER_WAY;
            tokio::select! {
                biased;
                Some(answered) = next_within(&mut under_way, self.import.retry_for), if !under_way.is_empty() => {
                    let (batch, result) = answered.map_err(|()| self.away())?;
                    self.finish(&batch, result).await?;
                    progress.update(batch.offset, self.totals.sent);
                }
                read = input.recv(), if is_open && has_room => match read {
                    Some(Read::Batch(batch)) => {
                        self.messages_under_way += batch.bodies.len();
                        under_way.push_back(self.send(batch));
                    }
                    Some(Read::End { records }) => self.end = Some(records),
                    Some(Read::Failed(error)) => input_error = Some(ImportCause::Input(error)),
                    None => input_error = Some(ImportCause::ReaderEnded),
                },
                else => break,
            }
        }
        match (input_error, self.end) {
            (Some(cause), _) => Err(failed(self.totals, cause)),
            (None, Some(found)) if found < self.producer.next() => {
                let (producer, known) = (self.producer.name().to_string(), self.producer.next());
                Err(failed(Totals::default(), ImportCause::OtherInput { producer, known, found }))
            }
            (None, _) => Ok(self.totals),
        }
    }

    fn send(&self, batch: Batch) -> impl Future<Output = (Batch, Result<Sent, SendError>)> + use<'a> {
        let (producer, queue) = (self.producer, self.import.queue);
        let messages = self.import.messages(&batch);
        async move {
            let result = producer.send_as(batch.first, batch.digest.mark(), queue.as_str(), messages).await;
            (batch, result)
        }
    }

    /// All batches before this one have been answered.
    async fn finish(&mut self, batch: &Batch, result: Result<Sent, SendError>) -> Result<(), ImportFailed> {
        let result = match result {
            Err(SendError::Request(RequestError::Refused(refused))) if refused.code == RefusalCode::ProducerGap => {
                let Import { queue, .. } = self.import;
                let messages = self.import.messages(batch);
                let again = self.producer.send_as(batch.first, batch.digest.mark(), queue.as_str(), messages);
                timeout(self.import.retry_for, again).await.map_err(|_| self.away())?
            }
            result => result,
        };
        let lines = batch.lines;
        result.map_err(|cause| failed(self.totals, ImportCause::Send { lines, cause }))?;
        self.messages_under_way -= batch.bodies.len();
        self.totals.sent += batch.bodies.len() as u64;
        Ok(())
    }

    fn away(&self) -> ImportFailed {
        let cause = ImportCause::Away { server: self.server.to_owned(), within: self.import.retry_for };
        failed(self.totals, cause)
    }
}

/// Somebody who sends another input under the same name at the same time may have sent what was taken for ours: then there is
/// more under this name than we have (P24).
fn nobody_sent_more(totals: Totals, producer: &Producer) -> Result<Totals, ImportFailed> {
    let (known, found) = (producer.next(), totals.skipped + totals.sent);
    if known <= found {
        return Ok(totals);
    }
    Err(failed(totals, ImportCause::OtherInput { producer: producer.name().to_string(), known, found }))
}

fn failed(totals: Totals, cause: impl Into<ImportCause>) -> ImportFailed {
    ImportFailed { totals, maybe: None, cause: cause.into() }
}

/// The first answer of those under way; an error when none comes in time.
async fn next_within<F: Future>(under_way: &mut FuturesOrdered<F>, within: Duration) -> Option<Result<F::Output, ()>> {
    match timeout(within, under_way.next()).await {
        Ok(answered) => answered.map(Ok),
        Err(_) => Some(Err(())),
    }
}

fn may_have_happened(error: &SendError) -> bool {
    matches!(error, SendError::Request(error) if error.may_have_happened())
}

/// Reads and parses beside the sending. The thread ends with its input, or with its reader's first word after the import.
fn read_in_thread<I>(mut batches: Batches<I>) -> Result<mpsc::Receiver<Read>, ImportFailed>
where
    I: Iterator<Item = Result<Record, ImportError>> + Send + 'static,
{
    let (sender, input) = mpsc::channel(BATCHES_READ_AHEAD);
    let read = move || {
        for batch in &mut batches {
            let (read, is_last) = match batch {
                Ok(batch) => (Read::Batch(batch), false),
                Err(error) => (Read::Failed(error), true),
            };
            if sender.blocking_send(read).is_err() || is_last {
                return;
            }
        }
        // Nobody listens any more only when the import has failed.
        sender.blocking_send(Read::End { records: batches.read() }).ok();
    };
    let thread = std::thread::Builder::new().name("input".to_owned()).spawn(read);
    thread.map_err(|error| ImportFailed::refused(ImportCause::Thread(error)))?;
    Ok(input)
}
