//! Reading and writing records by their [`Key`], with errors that name it.

use bytes::Bytes;
use handfast_store::{Family, Overlay, StoreError};

use super::keys::{Key, KeyKind};
use crate::codec::Unreadable;

pub(super) fn get<T>(
    overlay: &Overlay<'_>,
    key: &Key,
    decode: impl FnOnce(&Bytes) -> Result<T, Unreadable>,
) -> Result<Option<T>, StoreError> {
    let Some(value) = overlay.get(key.family(), &key.encode())? else {
        return Ok(None);
    };
    decode(&value).map(Some).map_err(|cause| unreadable(key, &cause))
}

/// A record that must be there, because another one says so.
pub(super) fn must_get<T>(
    overlay: &Overlay<'_>,
    key: &Key,
    decode: impl FnOnce(&Bytes) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    get(overlay, key, decode)?.ok_or_else(|| StoreError::Unreadable {
        what: "record",
        key: format!("{key:?}"),
        cause: "it is gone, but another record names it".to_owned(),
    })
}

pub(super) fn put(overlay: &mut Overlay<'_>, key: &Key, value: Bytes) {
    overlay.put(key.family(), key.encode(), value);
}

pub(super) fn delete(overlay: &mut Overlay<'_>, key: &Key) {
    overlay.delete(key.family(), key.encode());
}

/// Every record of one kind; for opening, when all of them are wanted and few.
pub(super) fn all(overlay: &Overlay<'_>, kind: KeyKind) -> Result<Vec<(Key, Bytes)>, StoreError> {
    let (start, end) = kind.range();
    decode_keys(Family::State, overlay.scan(Family::State, &start, &end, usize::MAX)?)
}

/// At most `limit` records with keys in `from..end`.
pub(super) fn range(
    overlay: &Overlay<'_>,
    from: &Key,
    end: &Key,
    limit: usize,
) -> Result<Vec<(Key, Bytes)>, StoreError> {
    decode_keys(from.family(), overlay.scan(from.family(), &from.encode(), &end.encode(), limit)?)
}

fn decode_keys(family: Family, found: Vec<(Bytes, Bytes)>) -> Result<Vec<(Key, Bytes)>, StoreError> {
    let decode = |(key, value): (Bytes, Bytes)| Ok((decode_key(family, &key)?, value));
    found.into_iter().map(decode).collect()
}

pub(super) fn decode_key(family: Family, key: &[u8]) -> Result<Key, StoreError> {
    Key::decode(family, key).ok_or_else(|| StoreError::Unreadable {
        what: "key",
        key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
        cause: "it is in no form that this version of Handfast writes".to_owned(),
    })
}

pub(super) fn unreadable(key: &Key, cause: &Unreadable) -> StoreError {
    StoreError::Unreadable { what: "record", key: format!("{key:?}"), cause: cause.to_string() }
}
