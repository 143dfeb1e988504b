//! The bounds of what is read, each with its reason.

/// A trigger file is written by hand; what is larger is another file.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Statements of one trigger: each is a round trip while a message is locked.
pub const STATEMENTS_MAX: usize = 256;

/// Different parameters of one statement: SQLite allows 32,766, PostgreSQL a few more.
pub const PARAMETERS_MAX: usize = 32_766;
