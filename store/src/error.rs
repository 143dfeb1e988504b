//! What can go wrong in a store: all of it is fatal to the process that uses it (D12, P29).

use crate::Family;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("the store failed to {operation} in {family:?}: {cause}")]
    Failed { operation: &'static str, family: Family, cause: String },
    /// An operation on all families at once: a batch, a flush.
    #[error("the store failed to {operation}: {cause}")]
    FailedWhole { operation: &'static str, cause: String },
    /// A record that this version cannot read: corruption, or a newer format.
    #[error("the store holds an unreadable {what} at key {key}: {cause}")]
    Unreadable { what: &'static str, key: String, cause: String },
}
