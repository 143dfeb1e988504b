//! What a run is, and what is expected of it.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The seed or the plan: enough to run it again.
    pub plan: String,
    /// Queues that one reader at a time has read alone: what leaves them and what it sends on keeps the order of the sends.
    #[serde(default)]
    pub ordered: Vec<String>,
    /// Queues whose messages one reader at a time has taken, whoever sent them: they leave in the order in which their queue
    /// manager committed them.
    #[serde(default)]
    pub read_alone: Vec<String>,
    /// Queues that must be empty at the end.
    #[serde(default)]
    pub drained: Vec<String>,
    /// Microseconds within which a transaction ends while everybody whom it touches is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthy_within: Option<u64>,
    /// Microseconds within which a server serves again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_within: Option<u64>,
    /// Properties that this run must give something to judge: A1, A7 and so on.
    #[serde(default)]
    pub judges: Vec<String>,
    /// At least one server must have found a transaction in doubt in its log.
    #[serde(default)]
    pub must_recover: bool,
}
