//! The directory that holds everything durable: `lock`, `identity`, `log/`, `store/`.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use handfast_protocol::Incarnation;
use rustix::fs::{FlockOperation, flock};
use uuid::Uuid;

use super::identity::{Identity, IdentityUnreadable, Marks};
use super::role::Role;

/// An opened data directory: locked against other processes until it is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    identity: Identity,
    /// Holds the lock.
    _lock: File,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    #[error("cannot {action} {path}: {cause}")]
    Io { action: &'static str, path: PathBuf, cause: io::Error },
    #[error("{path} is in use by another process; stop that one, or choose another --data")]
    InUse { path: PathBuf },
    #[error("{path} is not empty and is no data directory of Handfast; choose an empty or a new one")]
    Foreign { path: PathBuf },
    #[error("{path} belongs to a {found}, not to a {wanted}; serve it with {}, or choose another --data", found.program())]
    OtherRole { path: PathBuf, found: Role, wanted: Role },
    #[error("{path} is damaged: {cause}; restore it from a backup of the whole data directory")]
    Identity { path: PathBuf, cause: IdentityUnreadable },
    #[error("{path} cannot be used: {cause}; start a newer version")]
    Newer { path: PathBuf, cause: IdentityUnreadable },
    #[error("random numbers cannot be drawn: {0}")]
    Random(getrandom::Error),
}

impl DataDirectory {
    /// Opens or makes the directory (0700) and locks it. A copy of another's directory gets an incarnation of its own (P3).
    pub fn open(path: &Path, role: Role) -> Result<DataDirectory, DirectoryError> {
        make_private(path)?;
        let lock = lock(path)?;
        let identity = match read_identity(path)? {
            Some(Identity { role: found, .. }) if found != role => {
                return Err(DirectoryError::OtherRole { path: path.to_owned(), found, wanted: role });
            }
            Some(identity) if marks(&identity_path(path))? == identity.marks => identity,
            Some(copied) => {
                tracing::warn!(path = %path.display(), "this data directory is a copy: a new incarnation begins");
                write_identity(path, role, copied.manager_id)?
            }
            None => {
                refuse_foreign(path)?;
                write_identity(path, role, Uuid::now_v7())?
            }
        };
        for room in ["log", "store"] {
            make_private(&path.join(room))?;
        }
        Ok(DataDirectory { path: path.to_owned(), identity, _lock: lock })
    }

    pub fn manager_id(&self) -> Uuid {
        self.identity.manager_id
    }

    pub fn incarnation(&self) -> Incarnation {
        self.identity.incarnation
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub fn store(&self) -> PathBuf {
        self.path.join("store")
    }
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DirectoryError + 'a {
    move |cause| DirectoryError::Io { action, path: path.to_owned(), cause }
}

/// What is queued is as private as a mailbox: nobody but the owner looks in.
fn make_private(path: &Path) -> Result<(), DirectoryError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create", path))?;
    let mode = fs::metadata(path).map_err(failed("look at", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("make private", path))?;
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, DirectoryError> {
    let file = path.join("lock");
    let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file);
    let lock = open.map_err(failed("open", &file))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(DirectoryError::InUse { path: path.to_owned() }),
        Err(errno) => Err(DirectoryError::Io { action: "lock", path: file, cause: errno.into() }),
    }
}

fn identity_path(path: &Path) -> PathBuf {
    path.join("identity")
}

fn read_identity(path: &Path) -> Result<Option<Identity>, DirectoryError> {
    let file = identity_path(path);
    match fs::read_to_string(&file) {
        Ok(text) => text.parse().map(Some).map_err(|cause| match cause {
            IdentityUnreadable::Newer { .. } => DirectoryError::Newer { path: path.to_owned(), cause },
            IdentityUnreadable::Line { .. } => DirectoryError::Identity { path: file, cause },
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &file)(error)),
    }
}

/// The identity is written before anything else, so a directory without it holds nothing of ours.
fn refuse_foreign(path: &Path) -> Result<(), DirectoryError> {
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        let name = entry.map_err(failed("list", path))?.file_name();
        let ours = ["lock", "identity.new", "lost+found"];
        if !ours.iter().any(|own| name == *own) {
            return Err(DirectoryError::Foreign { path: path.to_owned() });
        }
    }
    Ok(())
}

/// The file carries its own marks, and a rename keeps them.
fn write_identity(path: &Path, role: Role, manager_id: Uuid) -> Result<Identity, DirectoryError> {
    let (new, last) = (path.join("identity.new"), identity_path(path));
    let incarnation = Incarnation(getrandom::u64().map_err(DirectoryError::Random)?);
    // A leftover of an earlier crash might be a copied file: begin with a file of our own.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &new)(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new).map_err(failed("create", &new))?;
    let identity = Identity { role, manager_id, incarnation, marks: marks(&new)? };
    file.write_all(identity.to_string().as_bytes()).map_err(failed("write", &new))?;
    file.sync_all().map_err(failed("sync", &new))?;
    fs::rename(&new, &last).map_err(failed("rename", &new))?;
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("sync", path))?;
    Ok(identity)
}

fn marks(file: &Path) -> Result<Marks, DirectoryError> {
    let metadata = fs::metadata(file).map_err(failed("look at", file))?;
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    Ok(Marks { inode: metadata.ino(), born: born.map_or(0, |born| born.as_nanos()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_identity_and_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataDirectory::open(&path, Role::QueueManager).unwrap();
        let (manager, incarnation) = (first.manager_id(), first.incarnation());
        drop(first);
        let again = DataDirectory::open(&path, Role::QueueManager).unwrap();
        assert_eq!((again.manager_id(), again.incarnation()), (manager, incarnation));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_second_process_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let _first = DataDirectory::open(parent.path(), Role::QueueManager).unwrap();
        assert!(matches!(DataDirectory::open(parent.path(), Role::QueueManager), Err(DirectoryError::InUse { .. })));
    }

    #[test]
    fn p3_a_copied_directory_begins_a_new_incarnation() {
        let parent = tempfile::tempdir().unwrap();
        let (path, copy) = (parent.path().join("data"), parent.path().join("copy"));
        let original = DataDirectory::open(&path, Role::QueueManager).unwrap();
        let (manager, incarnation) = (original.manager_id(), original.incarnation());
        drop(original);
        fs::create_dir(&copy).unwrap();
        fs::copy(path.join("identity"), copy.join("identity")).unwrap();
        let copied = DataDirectory::open(&copy, Role::QueueManager).unwrap();
        assert_eq!(copied.manager_id(), manager);
        assert_ne!(copied.incarnation(), incarnation);
    }

    #[test]
    fn a_directory_of_the_other_role_is_refused_by_name() {
        let parent = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(parent.path(), Role::Coordinator).unwrap());
        let before = fs::read(parent.path().join("identity")).unwrap();
        let refused = DataDirectory::open(parent.path(), Role::QueueManager).unwrap_err().to_string();
        let path = parent.path().display();
        assert_eq!(
            refused,
            format!(
                "{path} belongs to a coordinator, not to a queue manager; serve it with handfast-coordinator serve, or choose another --data"
            )
        );
        assert_eq!(fs::read(parent.path().join("identity")).unwrap(), before);
    }

    #[test]
    fn somebody_elses_directory_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(DataDirectory::open(parent.path(), Role::QueueManager), Err(DirectoryError::Foreign { .. })));
    }
}
