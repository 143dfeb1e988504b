//! What an application links to take part: begin, receive, change a database, send, commit. All of it happens, or none.
//!
//! ```no_run
//! use handfast_client::{CommitOutcome, Handfast, Message};
//!
//! # async fn ship() -> Result<(), Box<dyn std::error::Error>> {
//! let handfast = Handfast::connect("http://127.0.0.1:1801").await?;
//! let mut tx = handfast.begin().await?;
//! let order = tx.receive("orders").await?;
//! let ledger = tx.postgres("ledger").await?;
//! ledger.execute("insert into orders(body) values ($1)", &[&order.text()?]).await?;
//! tx.send("shipments", Message::text("ship it")).await?;
//! match tx.commit().await {
//!     CommitOutcome::Committed => {}
//!     CommitOutcome::RolledBack { why } => eprintln!("rolled back: {why}"),
//!     CommitOutcome::Heuristic { heuristic, .. } => eprintln!("an operator has to look: {heuristic}"),
//!     CommitOutcome::Unknown(transaction) => eprintln!("not known yet: {:?}", transaction.ask_again().await?),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What it is not: no store and no log, and it decides nothing. A transaction's outcome is the coordinator's, or the last
//! resource's, whose deciding commit this crate carries out.

mod admin;
mod blame;
mod body;
mod commit;
mod decision;
mod enlist;
mod error;
mod exclusive;
mod handfast;
mod lent;
pub mod limits;
mod message;
mod outcome;
mod password;
mod pool;
mod postgres;
mod postgres_connection;
mod postgres_marker;
mod producer;
mod queue_work;
mod queues;
mod receive;
mod resource;
mod rollback;
mod send;
mod sender;
mod session;
mod sqlite;
mod sqlite_file;
mod sqlite_thread;
mod statement;
mod transaction;
mod view;

pub use admin::{Fate, Force, QueueSettings, TransactionFilter};
pub use blame::{Blame, blame_of, blame_of_sqlite};
pub use enlist::EnlistError;
pub use error::{Cause, ConnectError, RefusalCode, Refused, RequestError, Unreadable};
pub use exclusive::ExclusiveReader;
pub use handfast::Handfast;
pub use lent::Lent;
pub use message::{Message, Received};
pub use outcome::{CommitOutcome, InDoubt, KnownOutcome, NotCommitted};
pub use postgres::{PostgresBranch, PostgresStatementError};
pub use producer::{Producer, ProducerError};
pub use queues::QueuesBranch;
pub use receive::ReceiveError;
pub use resource::Resource;
pub use rollback::RollbackCause;
pub use send::{SendError, Sent};
pub use sender::{Receipt, Sender};
pub use session::{InProcess, ServerFrames};
pub use sqlite::{SqliteBranch, SqliteRow, SqliteStatementError};
pub use statement::{Dialect, Nature, TransactionControl, check as check_statement};
pub use transaction::Transaction;
pub use view::{
    BranchView, Finding, GaugeView, PeekedMessage, Place, QueueView, ResourceView, ServerView, TransactionView,
};
