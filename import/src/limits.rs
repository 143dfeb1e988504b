//! The bounds of an import, each with its reason.

use handfast_protocol::limits::BODY_BYTES_MAX;

/// Messages of one transaction where nothing else is said: enough that the disk's flush is shared, few enough that several
/// batches are under way within a producer's window.
pub const BATCH_MESSAGES_DEFAULT: usize = 100;

/// Messages of one transaction: what a server takes in one send.
pub const BATCH_MESSAGES_MAX: usize = 1_000;

/// A batch is closed once its bodies have this many bytes together: a server keeps what is below inline, and one request
/// stays well under its 3 MiB.
pub const BATCH_BYTES: usize = 1 << 20;

/// One line or row. Larger is no message, and a quotation mark that is never closed must not swallow a file into memory.
pub const RECORD_BYTES_MAX: usize = BODY_BYTES_MAX;

const _: () = assert!(BATCH_MESSAGES_DEFAULT <= BATCH_MESSAGES_MAX);
