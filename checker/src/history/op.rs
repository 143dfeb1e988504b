//! What clients ask for.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// A transaction, by the name that its coordinator gave it.
    Begin {
        transaction: String,
    },
    /// Into a queue; outside a transaction it is one of its own.
    Send {
        transaction: Option<String>,
        queue: String,
        message: Message,
    },
    /// Out of a queue; no message means that none came in time.
    Receive {
        transaction: Option<String>,
        queue: String,
        message: Option<Message>,
    },
    /// A row at a database.
    Write {
        transaction: String,
        resource: String,
        row: Row,
    },
    /// Done: committed. Failed: rolled back.
    Commit {
        transaction: String,
    },
    Rollback {
        transaction: String,
    },
    /// The start of the process itself. Done: it serves. Failed: it refuses to.
    Start,
}

impl Op {
    pub fn transaction(&self) -> Option<&str> {
        match self {
            Op::Begin { transaction }
            | Op::Write { transaction, .. }
            | Op::Commit { transaction }
            | Op::Rollback { transaction } => Some(transaction),
            Op::Send { transaction, .. } | Op::Receive { transaction, .. } => transaction.as_deref(),
            Op::Start => None,
        }
    }
}

/// A message, as far as a checker needs to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Tells it from all others of its queue. A message that is sent on keeps its key.
    pub key: String,
    /// Of its whole content: two messages with one digest are the same.
    pub digest: u64,
    /// The transaction that sent it, as the message itself says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What it is worth, in tokens: transactions move tokens and make none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub key: String,
    /// The transaction that wrote it, as the row itself says.
    pub by: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}
