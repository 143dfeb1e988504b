//! What tells a database file from another one that was put in its place: what is written to one that was moved away is not in
//! the database that the server asks (P15).

use std::fs::Metadata;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIdentity {
    #[cfg(unix)]
    device_and_inode: (u64, u64),
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

impl FileIdentity {
    /// Of the file that is at the path now; `None` where there is none.
    pub fn at(path: impl AsRef<Path>) -> Option<FileIdentity> {
        std::fs::metadata(path).ok().map(|metadata| FileIdentity::of(&metadata))
    }

    #[cfg(unix)]
    fn of(metadata: &Metadata) -> FileIdentity {
        use std::os::unix::fs::MetadataExt;
        FileIdentity { device_and_inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> FileIdentity {
        FileIdentity { created: metadata.created().ok() }
    }
}
