//! Why a store does not open. Nothing was changed on disk when one of these is returned.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    #[error("cannot {action} the store's directory {dir}: {cause}; check the path, its owner and the space on its file system", dir = dir.display())]
    Directory { dir: PathBuf, action: &'static str, cause: io::Error },
    #[error("the store in {dir} is open in another process; stop that one first, or name another directory", dir = dir.display())]
    Locked { dir: PathBuf },
    /// Files are missing, or what they hold is not what was written (P29).
    #[error("the store in {dir} is damaged: {cause}; it was not touched: bring the directory back from a copy, or from another member", dir = dir.display())]
    Damaged { dir: PathBuf, cause: String },
    #[error("the store in {dir} has the family {family:?}, which this version does not know; start the version that wrote it, or a newer one", dir = dir.display())]
    Newer { dir: PathBuf, family: String },
    #[error("the store in {dir} does not open: {cause}; once the cause is gone, start again", dir = dir.display())]
    Failed { dir: PathBuf, cause: String },
}
