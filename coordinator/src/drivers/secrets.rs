//! Passwords: never in an address, never in a log, looked up again for each connection.
//!
//! `HANDFAST_PASSWORD_<NAME>` (the resource's name in capitals, `-` as `_`), else `PGPASSWORD`, else the first line that fits
//! in the password file (`PGPASSFILE`, or `.pgpass` in the home directory; `postgresql\pgpass.conf` in that of a Windows user's programs).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use handfast_protocol::{ResourceName, pgpass};

use super::limits::PASSWORD_FILE_BYTES;

const OURS: &str = "HANDFAST_PASSWORD_";

/// Where PostgreSQL's own programs look when `PGPASSFILE` is not set.
const HOME: &str = if cfg!(windows) { "APPDATA" } else { "HOME" };
const PASSWORD_FILE: &str = if cfg!(windows) { "postgresql/pgpass.conf" } else { ".pgpass" };

/// The variables of the environment that name or hold a password. Its Debug shows names only.
#[derive(Clone)]
pub struct Secrets {
    variables: Arc<BTreeMap<String, OsString>>,
}

impl Secrets {
    /// Those of this process, as they are now.
    pub fn from_environment() -> Secrets {
        let readable = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Secrets::given(std::env::vars_os().filter_map(readable))
    }

    /// Others than this process's own. Variables that are no business of ours are dropped.
    pub fn given(variables: impl IntoIterator<Item = (String, OsString)>) -> Secrets {
        let ours =
            |name: &str| name.starts_with(OURS) || matches!(name, "PGPASSWORD" | "PGPASSFILE" | "PGSSLMODE" | HOME);
        Secrets { variables: Arc::new(variables.into_iter().filter(|(name, _)| ours(name)).collect()) }
    }

    /// The variable that holds the password of this resource alone.
    pub fn variable_of(resource: &ResourceName) -> String {
        format!("{OURS}{}", resource.as_str().to_ascii_uppercase().replace('-', "_"))
    }

    /// What `PGSSLMODE` asks for, if it is set.
    pub(super) fn tls_mode(&self) -> Option<&str> {
        self.variables.get("PGSSLMODE").and_then(|mode| mode.to_str())
    }

    /// The password to connect with; none is no error, since a database may not ask for one.
    pub(super) async fn password(&self, resource: &ResourceName, account: &Account<'_>) -> Lookup {
        for name in [Self::variable_of(resource).as_str(), "PGPASSWORD"] {
            if let Some(value) = self.variables.get(name) {
                return Lookup { password: Some(Password(value.clone().into_encoded_bytes())), ignored: None };
            }
        }
        match self.password_file().await {
            Ok(None) => Lookup { password: None, ignored: None },
            Ok(Some(text)) => Lookup { password: account.look_up(&text), ignored: None },
            Err(ignored) => Lookup { password: None, ignored: Some(ignored) },
        }
    }

    /// The text of the password file, if there is one. As PostgreSQL's own programs do, one that others may read is ignored;
    /// we say so when the database then refuses.
    async fn password_file(&self) -> Result<Option<String>, PasswordFileIgnored> {
        let Some(path) = self.password_file_path() else {
            return Ok(None);
        };
        match read_private(&path).await {
            Ok(text) => Ok(Some(text)),
            Err(Unreadable::Missing) => Ok(None),
            Err(Unreadable::For(reason)) => Err(PasswordFileIgnored { path, reason }),
        }
    }

    fn password_file_path(&self) -> Option<PathBuf> {
        let set = |name: &str| self.variables.get(name).filter(|value| !value.is_empty());
        set("PGPASSFILE").map(PathBuf::from).or_else(|| Some(Path::new(set(HOME)?).join(PASSWORD_FILE)))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// A password on its way to a database.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// What a password file's line must fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account<'a> {
    /// Every name that the server goes by, in the order of preference.
    pub hosts: &'a [String],
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

impl Account<'_> {
    fn look_up(&self, text: &str) -> Option<Password> {
        let of_host = |host: &String| pgpass::lookup(text, host, self.port, self.database, self.user);
        self.hosts.iter().find_map(of_host).map(|password| Password(password.into_bytes()))
    }
}

#[derive(Debug)]
pub(super) struct Lookup {
    pub password: Option<Password>,
    pub ignored: Option<PasswordFileIgnored>,
}

/// A password file that is there and was not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("password file {path} was ignored: {reason}", path = path.display())]
pub struct PasswordFileIgnored {
    pub path: PathBuf,
    pub reason: IgnoredBecause,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IgnoredBecause {
    #[error("others may read it; run: chmod 600")]
    OthersMayRead,
    #[error("it is not a plain file")]
    NotAFile,
    #[error("it has {bytes} bytes, more than any password file")]
    TooLarge { bytes: u64 },
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("it cannot be read: {0}")]
    Io(io::ErrorKind),
}

enum Unreadable {
    Missing,
    For(IgnoredBecause),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Unreadable {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Unreadable::Missing,
            kind => Unreadable::For(IgnoredBecause::Io(kind)),
        }
    }
}

async fn read_private(path: &Path) -> Result<String, Unreadable> {
    let metadata = tokio::fs::metadata(path).await?;
    let because = |reason| Err(Unreadable::For(reason));
    if !metadata.is_file() {
        return because(IgnoredBecause::NotAFile);
    }
    if metadata.len() > PASSWORD_FILE_BYTES {
        return because(IgnoredBecause::TooLarge { bytes: metadata.len() });
    }
    if others_may_read(&metadata) {
        return because(IgnoredBecause::OthersMayRead);
    }
    let bytes = tokio::fs::read(path).await?;
    String::from_utf8(bytes).map_err(|_| Unreadable::For(IgnoredBecause::NotText))
}

#[cfg(unix)]
fn others_may_read(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const GROUP_AND_OTHERS: u32 = 0o077;
    metadata.permissions().mode() & GROUP_AND_OTHERS != 0
}

/// As in PostgreSQL's own programs: elsewhere the profile's directory is private by default.
#[cfg(not(unix))]
fn others_may_read(_: &std::fs::Metadata) -> bool {
    false
}
