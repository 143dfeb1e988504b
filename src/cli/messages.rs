//! Messages on standard output: bodies for people and pipes, records for programs.

use std::io::{self, BufWriter, Stdout, Write};

use handfast_client::Received;

use super::OutputFormat;
use super::output::JsonArray;
use super::records::MessageRecord;

/// Prints messages one after the other. Text is followed by a line end; other bodies are written as they are.
#[derive(Debug)]
pub enum MessagePrinter {
    Text(BufWriter<Stdout>),
    Json(JsonArray<BufWriter<Stdout>>),
}

impl MessagePrinter {
    pub fn begin(format: OutputFormat) -> io::Result<MessagePrinter> {
        let out = BufWriter::new(io::stdout());
        Ok(match format {
            OutputFormat::Text => MessagePrinter::Text(out),
            OutputFormat::Json => MessagePrinter::Json(JsonArray::begin(out)?),
        })
    }

    pub fn print(&mut self, message: &Received) -> io::Result<()> {
        match self {
            MessagePrinter::Text(out) => {
                out.write_all(&message.body)?;
                if message.text().is_ok() {
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
            MessagePrinter::Json(array) => array.push(&MessageRecord::from(message)),
        }
    }

    /// What was printed has left this process when it returns.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            MessagePrinter::Text(out) => out.flush(),
            MessagePrinter::Json(array) => array.flush(),
        }
    }

    pub fn end(self) -> io::Result<()> {
        match self {
            MessagePrinter::Text(mut out) => out.flush(),
            MessagePrinter::Json(array) => array.end(),
        }
    }
}
