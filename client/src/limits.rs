//! The bounds of a client, each with its reason.

use std::time::Duration;

use handfast_protocol::limits::{BODY_BYTES_MAX, CHUNK_BYTES_MAX};

/// Requests that wait for the session task. A caller beyond it waits for room.
pub const REQUESTS_QUEUED_MAX: usize = 4 << 10;

/// Requests that wait for their answers. Beyond it nothing more is sent, so that a server that stalls stalls its callers.
pub const REQUESTS_OPEN_MAX: usize = 64 << 10;

/// Frames of one message on the stream: what is pending travels together, but the first does not wait for the thousandth.
pub const FRAMES_PER_MESSAGE_MAX: usize = 512;

/// Bytes of one message on the stream, about: a larger frame travels alone. Small enough that many fit into the HTTP/2 window.
pub const MESSAGE_BYTES_MAX: usize = 512 << 10;

/// Bytes of one send, all its messages together, staged bodies left out. Below the 4 MiB that gRPC allows by default.
pub const SEND_BYTES_MAX: usize = 3 << 20;

/// Messages that wait for a sender, beside those that it gathers for its next request: a caller beyond it waits for room.
pub const SENDER_MESSAGES_MAX: usize = 1_000;

/// Requests of a sender under way at a time: one in the log, one on the wire to it, one on the wire from it.
pub const SENDER_REQUESTS_MAX: usize = 3;

/// Messages and bytes of bodies that one request of a sender takes, about: what a log entry is filled with.
pub const SENDER_REQUEST_MESSAGES: usize = 500;
pub const SENDER_REQUEST_BYTES: usize = 512 << 10;

/// What a message takes in a frame beside its body and its properties, at most.
pub const MESSAGE_OVERHEAD_BYTES: usize = 512;

/// The largest message that is accepted from the server: a page of peeked messages is the largest there is.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Messages under way to the transport. The rest is gathered into the next one meanwhile.
pub const MESSAGES_IN_TRANSPORT: usize = 2;

/// Parts of one body that a reader asks for ahead (D11): 2 MiB keep a fast link busy.
pub const READ_WINDOW: usize = 8;

/// Parts of a body that may be unanswered where the server names no window.
pub const STAGING_WINDOW_MIN: usize = 1;

/// HTTP/2 windows: eight chunks of a stream, so that large bodies do not wait for window updates one by one.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 2 << 20;
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How long one attempt to reach the server may take.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Pauses between attempts to reach a server that is away: doubling from the first to the last.
pub const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(50);
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// HTTP/2 pings notice a server whose machine is gone without a word.
pub const PING_EVERY: Duration = Duration::from_secs(10);
pub const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// The transaction timeout that the server uses when none is given (D6).
pub const TRANSACTION_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// How long a commit asks for its outcome after its connection was lost, before it answers Unknown: a server that restarts
/// is back by then.
pub const OUTCOME_ASKED_FOR: Duration = Duration::from_secs(15);

/// How long one question for an outcome waits at the server for a decision.
pub const OUTCOME_WAIT: Duration = Duration::from_secs(5);

/// How long an answer to the commit itself may take, past which the commit is Unknown (P19).
pub const COMMIT_ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// How long a database may take over its deciding COMMIT or its PREPARE. The coordinator fences a silent one after 30 s.
pub const DATABASE_COMMIT_WITHIN: Duration = Duration::from_secs(20);

/// How long a connection to a database may take.
pub const DATABASE_CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Idle connections kept for each resource: one for each transaction that a busy process runs at a time.
pub const IDLE_CONNECTIONS_MAX: usize = 32;

/// Resources whose connections one process keeps. Beyond it connections are closed after use.
pub const POOLED_RESOURCES_MAX: usize = 64;

/// Queue managers to which one process keeps a session. Beyond it each transaction makes one of its own.
pub const POOLED_QUEUE_MANAGERS_MAX: usize = 64;

/// An idle connection older than this is closed: firewalls forget silent ones.
pub const IDLE_CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);

/// Prepared statements kept for each connection: an application has a handful of statements for a queue.
pub const STATEMENTS_KEPT_MAX: usize = 64;

/// Branches of one transaction at databases, as the coordinator allows.
pub const BRANCHES_MAX: usize = 16;

/// Commands that wait for the thread of a SQLite connection: one caller at a time uses it, so one more never waits.
pub const SQLITE_COMMANDS_MAX: usize = 2;

/// SQLite's own wait for a lock, per attempt (P15).
pub const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a COMMIT that found the database busy is tried again with its transaction open (P15).
pub const SQLITE_COMMIT_ATTEMPTS: u32 = 4;

/// Pauses of a producer between its tries (P24).
pub const PRODUCER_PAUSE_MIN: Duration = Duration::from_millis(20);
pub const PRODUCER_PAUSE_MAX: Duration = Duration::from_secs(2);

const _: () = assert!(CHUNK_BYTES_MAX < MESSAGE_BYTES_MAX && MESSAGE_BYTES_MAX < SEND_BYTES_MAX);
const _: () = assert!(SEND_BYTES_MAX + (64 << 10) < 4 << 20, "gRPC refuses larger messages by default");
const _: () = assert!(BODY_BYTES_MAX <= ANSWER_BYTES_MAX);
