//! The bounds of what a user may say, each with its reason.

/// X/Open XA 4.2: MAXGTRIDSIZE and MAXBQUALSIZE.
pub const XID_PART_BYTES_MAX: usize = 64;

/// MSMQ's limit on the name of a queue, in characters.
pub const QUEUE_NAME_CHARS_MAX: usize = 124;

/// MSMQ's limit on a message label, in characters.
pub const LABEL_CHARS_MAX: usize = 249;

/// The largest body of one message. Sixteen times MSMQ's 4 MB; bodies above one chunk travel and rest in pieces.
pub const BODY_BYTES_MAX: usize = 64 << 20;

/// Extension headers of one message, names and values together: they ride in the envelope, which is read whole.
pub const EXTENSION_BYTES_MAX: usize = 32 << 10;

/// Correlation ids are opaque; 64 bytes hold a message id, an xid part or a UUID in text.
pub const CORRELATION_BYTES_MAX: usize = 64;

/// A producer's name, in bytes: it is a key that is kept for every producer.
pub const PRODUCER_NAME_BYTES_MAX: usize = 128;

/// A body travels in chunks of at most this, so that a large one does not block small ones on the same stream (D11).
pub const CHUNK_BYTES_MAX: usize = 256 << 10;

/// The last error text kept with a message; the rest is cut at a character boundary.
pub const ERROR_TEXT_BYTES_MAX: usize = 2 << 10;

const _: () = assert!(CHUNK_BYTES_MAX < BODY_BYTES_MAX);
