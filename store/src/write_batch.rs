//! Writes that take effect together.

use bytes::Bytes;

use crate::Family;

/// One change of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    Put {
        family: Family,
        key: Bytes,
        value: Bytes,
    },
    Delete {
        family: Family,
        key: Bytes,
    },
    /// Deletes every key with `start <= key < end`: none if the end is not above the start.
    DeleteRange {
        family: Family,
        start: Bytes,
        end: Bytes,
    },
}

impl Write {
    /// Bytes of its keys and its value.
    pub fn bytes(&self) -> usize {
        match self {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key, .. } => key.len(),
            Write::DeleteRange { start, end, .. } => start.len() + end.len(),
        }
    }

    pub fn family(&self) -> Family {
        match self {
            Write::Put { family, .. } | Write::Delete { family, .. } | Write::DeleteRange { family, .. } => *family,
        }
    }
}

/// An ordered list of writes; a later one wins over an earlier one of the same key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteBatch {
    pub writes: Vec<Write>,
}

impl WriteBatch {
    pub fn put(&mut self, family: Family, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push(Write::Put { family, key: key.into(), value: value.into() });
    }

    pub fn delete(&mut self, family: Family, key: impl Into<Bytes>) {
        self.writes.push(Write::Delete { family, key: key.into() });
    }

    pub fn delete_range(&mut self, family: Family, start: impl Into<Bytes>, end: impl Into<Bytes>) {
        self.writes.push(Write::DeleteRange { family, start: start.into(), end: end.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
