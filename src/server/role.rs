//! What a server is: a queue manager with its coordinator, or a coordinator alone (D8).
//!
//! Both are the same machine behind the same log. A coordinator alone keeps no queues: it refuses to hear of them.

use std::fmt;
use std::str::FromStr;

use handfast_machine::Request;
use handfast_wire::v1;
use handfast_wire::v1::refusal::Code;

use super::convert;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `handfast serve`
    QueueManager,
    /// `handfast-coordinator serve`
    Coordinator,
}

impl Role {
    pub const ALL: [Role; 2] = [Role::QueueManager, Role::Coordinator];

    /// The word in the data directory's identity.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::QueueManager => "queue-manager",
            Role::Coordinator => "coordinator",
        }
    }

    /// The program that serves a data directory of this role.
    pub fn program(self) -> &'static str {
        match self {
            Role::QueueManager => "handfast serve",
            Role::Coordinator => "handfast-coordinator serve",
        }
    }

    /// The refusal of a request that this server does not serve.
    pub fn refusal(self, request: &Request) -> Option<v1::Reply> {
        match (self, request) {
            (
                Role::Coordinator,
                Request::Queue(_)
                | Request::BeginReceive { .. }
                | Request::SendCommit { .. }
                | Request::Attach { .. }
                | Request::Recover { .. },
            ) => {
                let text = "this is a coordinator; it keeps no queues: give --server of a queue manager";
                Some(convert::refused(Code::NotHere, text))
            }
            // None of which is here.
            (Role::Coordinator, Request::Coordinator(_) | Request::Rollback { .. } | Request::ListForeign { .. })
            | (Role::QueueManager, _) => None,
        }
    }
}

/// A queue manager, a coordinator.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::QueueManager => "queue manager",
            Role::Coordinator => "coordinator",
        })
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Role, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a queue manager nor a coordinator")]
pub struct UnknownRole;
