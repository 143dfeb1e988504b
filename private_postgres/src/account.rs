//! The user that PostgreSQL's programs run as: whoever runs the test, but never root, which they refuse.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::PostgresError;

/// Asked for in this order when the test runs as root.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The test's own user.
    Own,
    /// Another user, taken on by root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    pub fn find() -> Result<Account, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account::Own);
        }
        let path = PathBuf::from("/etc/passwd");
        let passwd = fs::read_to_string(&path).map_err(|cause| PostgresError::File { action: "read", path, cause })?;
        CANDIDATES.iter().find_map(|name| find_in(&passwd, name)).ok_or(PostgresError::NoAccount)
    }

    /// A command that runs as this user, in `dir` (the test's own directory may be closed to it).
    pub fn command(self, program: &Path, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(dir).env("LC_ALL", "C").env_remove("PGDATA").env_remove("PGPORT");
        if let Account::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands `path` over to this user.
    pub fn own(self, path: &Path) -> Result<(), PostgresError> {
        match self {
            Account::Own => Ok(()),
            Account::Other { uid, gid } => chown(path, Some(uid), Some(gid)).map_err(|cause| PostgresError::File {
                action: "change the owner of",
                path: path.to_path_buf(),
                cause,
            }),
        }
    }
}

/// `name:password:uid:gid:..`, a user a line.
fn find_in(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:/bin/sh\npostgres:x:101:104:,,,:/var:/bin/sh\nbad:x";
        assert_eq!(find_in(passwd, "postgres"), Some(Account::Other { uid: 101, gid: 104 }));
        assert_eq!(find_in(passwd, "nobody"), None);
        assert_eq!(find_in(passwd, "bad"), None);
    }
}
