//! What a last resource's deciding commit came to, as its connection saw it.

/// The answer of the database, or the lack of one. `C` is the connection, fit for another transaction.
#[derive(Debug)]
pub enum Decision<C> {
    /// The row and the work are durable.
    Committed(C),
    /// The opposite row stands there: rolled back for ever (P12, P21).
    Fenced,
    /// Only the row tells now (P11). The error is what the database said, if it said something.
    Uncertain { error: Option<String> },
}
