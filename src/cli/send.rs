//! `handfast send`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::Bytes;
use handfast_client::{Handfast, Message};
use handfast_import::{
    BATCH_MESSAGES_DEFAULT, BATCH_MESSAGES_MAX, Content, CsvRows, Digest, ImportError, Lines, check_json,
};
use handfast_protocol::limits::BODY_BYTES_MAX;
use handfast_protocol::{MessageId, MessageInvalid, Priority, QueueName};
use serde::Serialize;

use super::output::print_done;
use super::queue::queue_name;
use super::send_many::{self, ImportFailed, Totals};
use super::{CommandError, Ended, Options, parse_duration};

/// Input is read in pieces of this size.
const READ_BYTES: usize = 256 << 10;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without BODY the body is all of standard input; with --lines or --csv, standard input is many messages. A field of CSV that \
is a JSON number stays a number in its own digits, an empty one is null, every other is a string.

With --producer each line or row is sent once, however often the command is run with the same input: it goes on behind what \
is there already, and rides over a restart of the server.

Examples:
  handfast send orders '{\"id\": 1}' --label new
  handfast send orders --lines < orders.jsonl
  handfast send orders --csv --producer orders-2026 < orders.csv")]
pub struct Args {
    #[arg(value_parser = queue_name)]
    queue: QueueName,
    /// The body of one message
    #[arg(conflicts_with_all = ["lines", "csv"])]
    body: Option<String>,
    /// One message for each line of standard input
    #[arg(long)]
    lines: bool,
    /// One message for each row of CSV on standard input: a JSON object with the header's names as keys
    #[arg(long, conflicts_with = "lines")]
    csv: bool,
    /// Refuse what is not JSON; with --lines, each line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Put the number of each row's line first, under this key
    #[arg(long, value_name = "KEY", requires = "csv")]
    line_key: Option<String>,
    /// Messages of one transaction, with --lines and --csv; one that has 1 MiB is sent, however few they are
    #[arg(long, value_name = "N", default_value_t = BATCH_MESSAGES_DEFAULT as u64)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=BATCH_MESSAGES_MAX as u64))]
    batch: u64,
    /// Send under this name, so that nothing is sent twice
    #[arg(long, value_name = "NAME")]
    producer: Option<String>,
    /// With --producer, how long a server that is away is waited for
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, requires = "producer")]
    retry_for: Duration,
    #[command(flatten)]
    properties: Properties,
}

/// What is said of every message beside its body.
#[derive(Debug, clap::Args)]
struct Properties {
    /// A text for people
    #[arg(long, default_value = "", hide_default_value = true)]
    label: String,
    /// 0 (lowest) to 7 (highest) [default: 3]
    #[arg(long, value_name = "0-7", value_parser = clap::value_parser!(u8).range(0..=7))]
    priority: Option<u8>,
    /// How long it may wait to be received; then it is a dead letter
    #[arg(long, visible_alias = "time-to-be-received", value_name = "TIME", value_parser = parse_duration)]
    ttbr: Option<Duration>,
    /// Drop it after that time
    #[arg(long, requires = "ttbr")]
    drop_expired: bool,
    /// By custom the id of the message that this one answers
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    correlation_id: String,
    /// Where the receiver should answer
    #[arg(long, value_name = "QUEUE", value_parser = queue_name)]
    response_queue: Option<QueueName>,
    /// A header of your own; may be repeated
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form NAME=VALUE")]
struct HeaderError(String);

fn header(text: &str) -> Result<(String, Bytes), HeaderError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Bytes::from(value.to_owned()))),
        Some(_) | None => Err(HeaderError(text.to_owned())),
    }
}

impl Properties {
    /// A message without a body.
    fn message(&self) -> Message {
        let mut message = Message::default();
        let properties = &mut message.properties;
        properties.label.clone_from(&self.label);
        properties.priority = self.priority.and_then(Priority::new).unwrap_or_default();
        properties.time_to_be_received = self.ttbr;
        properties.drop_expired = self.drop_expired;
        properties.correlation_id = Bytes::from(self.correlation_id.clone());
        properties.response_queue.clone_from(&self.response_queue);
        properties.extension.clone_from(&self.headers);
        message
    }
}

#[derive(Serialize)]
struct Sent<'a> {
    queue: &'a str,
    sent: u64,
    skipped: u64,
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Imported<'a> {
    queue: &'a str,
    sent: u64,
    skipped: u64,
}

impl Args {
    pub async fn run(mut self, options: &Options) -> Result<Ended, CommandError> {
        if self.lines || self.csv { self.send_many(options).await } else { self.send_one(options).await }
    }

    /// With a producer, a server that is away is waited for.
    async fn connect(&self, options: &Options) -> Result<Handfast, CommandError> {
        match self.producer {
            Some(_) => options.patiently(self.retry_for, || options.connect()).await,
            None => options.connect().await,
        }
    }

    async fn send_one(&mut self, options: &Options) -> Result<Ended, CommandError> {
        let body = match self.body.take() {
            Some(body) => Bytes::from(body),
            None => read_body()?,
        };
        if self.json {
            check_json(&body).map_err(|cause| ImportFailed::refused(ImportError::NotJson { line: 1, cause }))?;
        }
        let message = Message { body, ..self.properties.message() };
        let handfast = self.connect(options).await?;
        let queue = self.queue.as_str();
        let id = match &self.producer {
            None => Some(handfast.send(queue, message).await?),
            Some(name) => {
                let producer = handfast.producer(name).await?;
                let before = Digest::after(producer.next(), producer.mark(), &self.queue);
                let mark = before.map_or(0, |digest| digest.with(&message.body).mark());
                let sent = producer.send_as(producer.next(), mark, queue, vec![message]);
                let sending = tokio::time::timeout(self.retry_for, sent);
                let away = || CommandError::Away { server: options.server().to_owned(), within: self.retry_for };
                sending.await.map_err(|_| away())??.ids.first().copied()
            }
        };
        let ids: Vec<String> = id.iter().map(MessageId::to_string).collect();
        let sentence = ids.first().cloned().unwrap_or_default();
        print_done(options.output, &Sent { queue, sent: 1, skipped: 0, ids }, &sentence)?;
        Ok(Ended::Done)
    }

    async fn send_many(&self, options: &Options) -> Result<Ended, CommandError> {
        let handfast = self.connect(options).await?;
        let input = stdin_file().map_err(CommandError::Input)?;
        let input_bytes = input.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
        let input = BufReader::with_capacity(READ_BYTES, input);
        let import = send_many::Import {
            queue: &self.queue,
            template: self.properties.message(),
            batch: usize::try_from(self.batch).expect("at most a thousand"),
            producer: self.producer.as_deref(),
            retry_for: self.retry_for,
            input_bytes,
        };
        let totals = if self.csv {
            let rows = CsvRows::new(input, self.line_key.as_deref()).map_err(ImportFailed::refused)?;
            import.run(&handfast, options, rows).await?
        } else {
            let content = if self.json { Content::Json } else { Content::Any };
            import.run(&handfast, options, Lines::new(input, content)).await?
        };
        let Totals { sent, skipped } = totals;
        let sentence = match skipped {
            0 => format!("{sent} messages sent"),
            _ => format!("{sent} messages sent; {skipped} were there already"),
        };
        print_done(options.output, &Imported { queue: self.queue.as_str(), sent, skipped }, &sentence)?;
        Ok(Ended::Done)
    }
}

/// Standard input as a file of our own: another thread reads it, with a buffer of our size.
fn stdin_file() -> std::io::Result<File> {
    Ok(File::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}

/// All of standard input, unless it is more than a message may have.
fn read_body() -> Result<Bytes, CommandError> {
    let mut body = Vec::new();
    let input = std::io::stdin().lock();
    input.take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut body).map_err(CommandError::Input)?;
    if body.len() > BODY_BYTES_MAX {
        let cause = MessageInvalid::BodyTooLong { bytes: body.len() };
        return Err(CommandError::Send(handfast_client::SendError::Message { index: 0, cause }));
    }
    Ok(Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let pair = |name: &str, value: &'static str| Ok((name.to_owned(), Bytes::from(value)));
        assert_eq!(header("a=b"), pair("a", "b"));
        assert_eq!(header("a=b=c"), pair("a", "b=c"));
        assert_eq!(header("a="), pair("a", ""));
        for refused in ["", "a", "=b"] {
            assert_eq!(header(refused), Err(HeaderError(refused.to_owned())));
        }
    }
}
