//! Where the password of a PostgreSQL resource comes from: the environment or PostgreSQL's password file, never the
//! resource's registration.

use std::path::PathBuf;

use handfast_protocol::{ResourceName, pgpass};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The port where libpq looks when none is given, and the name under which password files know a socket.
const PORT: u16 = 5432;
const SOCKET_HOST: &str = "localhost";

/// In this order: `HANDFAST_PASSWORD_<NAME>` (capitals, `-` as `_`), `PGPASSWORD`, the file `PGPASSFILE` or `~/.pgpass`.
/// None of them is no error: the server may ask for no password.
pub async fn find(resource: &ResourceName, config: &Config) -> Option<String> {
    let from_environment = || std::env::var(variable(resource)).or_else(|_| std::env::var("PGPASSWORD")).ok();
    match from_environment() {
        Some(password) => Some(password),
        None => from_file(config).await,
    }
}

/// The variable that holds the password of this resource alone.
pub fn variable(resource: &ResourceName) -> String {
    format!("HANDFAST_PASSWORD_{}", resource.as_str().to_ascii_uppercase().replace('-', "_"))
}

async fn from_file(config: &Config) -> Option<String> {
    let path = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let path = path.or_else(|| std::env::home_dir().map(|home| home.join(".pgpass")))?;
    let metadata = tokio::fs::metadata(&path).await.ok()?;
    if !is_private(&metadata) {
        tracing::warn!(path = %path.display(), "password file is not used: others may read it; say: chmod 0600 FILE");
        return None;
    }
    let text = tokio::fs::read_to_string(&path).await.ok()?;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.as_str(),
        _ => SOCKET_HOST,
    };
    let port = config.get_ports().first().copied().unwrap_or(PORT);
    let user = config.get_user().map(str::to_owned).or_else(|| std::env::var("USER").ok())?;
    let database = config.get_dbname().unwrap_or(&user);
    pgpass::lookup(&text, host, port, database, &user)
}

#[cfg(unix)]
fn is_private(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 == 0
}

/// Elsewhere the user's own directory is private by itself, as libpq has it.
#[cfg(not(unix))]
fn is_private(_metadata: &std::fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_has_its_own_variable() {
        let name = ResourceName::new("ledger-eu_2").unwrap();
        assert_eq!(variable(&name), "HANDFAST_PASSWORD_LEDGER_EU_2");
    }
}
