//! What was read, written and read again is the same.

use std::fmt::Debug;

/// Panics if `again` is not `first`.
pub fn same<T: PartialEq + Debug, E: Debug>(again: Result<T, E>, first: &T) {
    match again {
        Ok(again) => assert_eq!(&again, first, "it reads differently when it is read again"),
        Err(error) => panic!("{first:?} cannot be read again: {error:?}"),
    }
}
