//! What a run needs on the server, laid before it and cleared behind it: queues of its own, the messages in them, a database's
//! tables.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use handfast_client::{Fate, Handfast, Message, QueueSettings, RefusalCode, SendError};

use super::display::Display;
use super::error::BenchError;
use super::ledger::{Database, Ledger, Order, Registered};
use super::limits::{BATCH_BYTES_MAX, BATCH_MESSAGES, BATCHES_UNDER_WAY, PAIRED_A_SECOND, RECEIVED_A_SECOND};
use super::load::Load;
use super::noise::Noise;
use super::work::{Kind, Work};

/// What has been begun on a server, so that it can be undone from any point on.
#[derive(Debug)]
pub struct Ground {
    handfast: Handfast,
    kind: Kind,
    queues: Vec<String>,
    ledger: Option<Begun>,
}

/// How far a database is.
#[derive(Debug)]
struct Begun {
    ledger: Ledger,
    registered: Registered,
    /// A database file that was not there.
    file: Option<PathBuf>,
    /// Whether tables may be there.
    has_tables: bool,
}

impl Ground {
    pub fn new(handfast: Handfast, kind: Kind) -> Ground {
        Ground { handfast, kind, queues: Vec::new(), ledger: None }
    }

    /// Makes everything that the run needs. Dropped meanwhile, what is there already is known.
    pub async fn lay(&mut self, load: &Load, display: &Display) -> Result<Work, BenchError> {
        match self.kind.clone() {
            Kind::Send => {
                let to = self.queue("to").await?;
                Ok(Work::Send { to, size: load.size, noise: Noise::new(load.size) })
            }
            Kind::Receive => {
                let from = self.queue("from").await?;
                self.fill(&from, load, RECEIVED_A_SECOND, display).await?;
                Ok(Work::Receive { from })
            }
            Kind::Transfer => {
                let (from, to) = (self.queue("from").await?, self.queue("to").await?);
                self.fill(&from, load, RECEIVED_A_SECOND, display).await?;
                Ok(Work::Transfer { from, to })
            }
            Kind::Pair(database) => {
                let (from, to) = (self.queue("from").await?, self.queue("to").await?);
                let ledger = self.ledger(&database).await?;
                self.fill(&from, load, PAIRED_A_SECOND, display).await?;
                Ok(Work::Pair { from, to, ledger })
            }
        }
    }

    /// Removes all of it. It goes on where a part cannot be removed, and says what the first one was.
    pub async fn clear(self) -> Result<(), BenchError> {
        let mut result = Ok(());
        if let Some(begun) = &self.ledger {
            result = result.and(begun.clear(&self.handfast).await);
        }
        for queue in &self.queues {
            match self.handfast.delete_queue(queue, Fate::Discard).await {
                Err(error) if error.code() == Some(RefusalCode::QueueNotFound) => {}
                deleted => result = result.and(deleted.map_err(BenchError::from)),
            }
        }
        result
    }

    /// A queue of this run alone: several runs do not meet.
    async fn queue(&mut self, role: &str) -> Result<String, BenchError> {
        let name = format!("bench-{}-{role}-{}", self.kind.name(), std::process::id());
        self.queues.push(name.clone());
        self.handfast.create_queue(&name, QueueSettings::default()).await?;
        Ok(name)
    }

    async fn ledger(&mut self, database: &Database) -> Result<Ledger, BenchError> {
        let (ledger, registered) = Ledger::find(&self.handfast, database).await?;
        let file = ledger.missing_file();
        let begun = self.ledger.insert(Begun { ledger: ledger.clone(), registered, file, has_tables: false });
        if registered == Registered::Now {
            ledger.add(&self.handfast).await?;
        }
        ledger.attached(&self.handfast).await?;
        begun.has_tables = true;
        ledger.make_tables(&self.handfast).await?;
        Ok(ledger)
    }

    /// Sends what the run will receive.
    async fn fill(&self, queue: &str, load: &Load, a_second: u64, display: &Display) -> Result<(), BenchError> {
        let wanted = load.messages(a_second);
        let batch = (BATCH_BYTES_MAX / load.size.max(1)).clamp(1, BATCH_MESSAGES) as u64;
        let noise = Noise::new(load.size);
        let mut first = 0;
        let mut sent = 0;
        let mut under_way = FuturesUnordered::new();
        while sent < wanted {
            while first < wanted && under_way.len() < BATCHES_UNDER_WAY {
                let numbers = first..wanted.min(first + batch);
                first = numbers.end;
                under_way.push(self.send(queue, numbers, load.size, &noise));
            }
            let Some(count) = under_way.next().await else { break };
            sent += count?;
            display.say(|| format!("{sent} of {wanted} messages laid in"));
        }
        Ok(())
    }

    async fn send(&self, queue: &str, numbers: Range<u64>, size: usize, noise: &Noise) -> Result<u64, SendError> {
        let count = numbers.end - numbers.start;
        let messages = numbers.map(|number| {
            Message::bytes(match self.kind {
                Kind::Pair(_) => Order::body(number, size, noise).into(),
                Kind::Send | Kind::Receive | Kind::Transfer => noise.piece(size),
            })
        });
        self.handfast.send_batch(queue, messages.collect()).await?;
        Ok(count)
    }
}

impl Begun {
    async fn clear(&self, handfast: &Handfast) -> Result<(), BenchError> {
        if self.has_tables {
            self.ledger.drop_tables(handfast).await?;
        }
        if self.registered == Registered::Now {
            self.ledger.remove(handfast).await?;
        }
        if let Some(file) = &self.file {
            remove_database(file).map_err(|cause| BenchError::File { path: file.clone(), cause })?;
        }
        Ok(())
    }
}

/// A SQLite file and what SQLite keeps beside it.
pub(super) fn remove_database(file: &Path) -> io::Result<()> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
