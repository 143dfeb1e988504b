//! The address of a PostgreSQL database as it is registered: a URL that names everything but the password.

use std::fmt;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::drivers::limits::CONNECT_TIMEOUT;
use crate::drivers::secrets::Account;

/// A checked address. It holds no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    config: Config,
}

/// An address that cannot be used. The texts repeat nothing of an address that may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressRefused {
    #[error("the address is not a URL of the form postgres://USER@HOST:PORT/DATABASE")]
    NotAUrl,
    #[error(
        "the address holds a password, which would be stored and shown; leave it out and set HANDFAST_PASSWORD_<NAME>, PGPASSWORD or a password file"
    )]
    Password,
    #[error("the address cannot be read: {reason}; it has the form postgres://USER@HOST:PORT/DATABASE")]
    Unreadable { reason: String },
    #[error("the address names no user; it has the form postgres://USER@HOST:PORT/DATABASE")]
    NoUser,
    #[error("the address names no host; it has the form postgres://USER@HOST:PORT/DATABASE")]
    NoHost,
    #[error(
        "sslmode={mode} asks for an encrypted connection, which is not supported yet; use a loopback address, a Unix socket or a tunnel, with sslmode=disable"
    )]
    Tls { mode: String },
}

impl PostgresAddress {
    const DEFAULT_PORT: u16 = 5432;

    pub(in crate::drivers) fn config(&self) -> &Config {
        &self.config
    }

    pub(in crate::drivers) fn user(&self) -> &str {
        self.config.get_user().expect("parse refuses an address without a user")
    }

    /// As PostgreSQL does it: a database of the user's name when none is named.
    pub(in crate::drivers) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_else(|| self.user())
    }

    fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(Self::DEFAULT_PORT)
    }

    /// What the password file calls the server; a Unix socket goes by its directory and by `localhost`.
    pub(in crate::drivers) fn host_names(&self) -> Vec<String> {
        let named = |host: &Host| match host {
            Host::Tcp(name) => vec![name.clone()],
            #[cfg(unix)]
            Host::Unix(directory) => vec![directory.display().to_string(), "localhost".to_owned()],
        };
        let mut names: Vec<String> = self.config.get_hosts().iter().flat_map(named).collect();
        names.extend(self.config.get_hostaddrs().iter().map(ToString::to_string));
        names
    }

    pub(in crate::drivers) fn account<'a>(&'a self, hosts: &'a [String]) -> Account<'a> {
        Account { hosts, port: self.port(), database: self.database(), user: self.user() }
    }
}

impl FromStr for PostgresAddress {
    type Err = AddressRefused;

    fn from_str(address: &str) -> Result<PostgresAddress, AddressRefused> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| address.strip_prefix(scheme));
        let rest = rest.ok_or(AddressRefused::NotAUrl)?;
        // Before anything that may quote the address in its error.
        if names_password(rest) {
            return Err(AddressRefused::Password);
        }
        refuse_tls(parameter(rest, "sslmode"))?;
        let mut config: Config = address.parse().map_err(|error: tokio_postgres::Error| {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            AddressRefused::Unreadable { reason }
        })?;
        if config.get_password().is_some() {
            return Err(AddressRefused::Password);
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(AddressRefused::NoUser);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressRefused::NoHost);
        }
        config.ssl_mode(SslMode::Disable).connect_timeout(CONNECT_TIMEOUT);
        if config.get_application_name().is_none() {
            config.application_name("handfast");
        }
        // One of several hosts is the primary; with a single one, "it is a standby" says more than "no host fits".
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(PostgresAddress { config })
    }
}

/// `HOST:PORT/DATABASE as user USER`.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host_names().into_iter().next().unwrap_or_default();
        write!(f, "{host}:{}/{} as user {}", self.port(), self.database(), self.user())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self})")
    }
}

/// An encrypted connection that somebody asks for is refused rather than quietly not made.
pub fn refuse_tls(mode: Option<&str>) -> Result<(), AddressRefused> {
    match mode {
        None | Some("" | "disable" | "allow" | "prefer") => Ok(()),
        Some(mode) => Err(AddressRefused::Tls { mode: mode.to_owned() }),
    }
}

fn names_password(rest: &str) -> bool {
    let user_info = rest.rfind('@').map(|at| &rest[..at]);
    user_info.is_some_and(|user_info| user_info.contains(':')) || parameter(rest, "password").is_some()
}

fn parameter<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = rest.split_once('?')?;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(address: &str) -> AddressRefused {
        address.parse::<PostgresAddress>().unwrap_err()
    }

    #[test]
    fn reads_what_names_everything_but_the_password() {
        let table = [
            ("postgres://app@db.example:6000/shop", "db.example:6000/shop as user app"),
            ("postgresql://app@127.0.0.1", "127.0.0.1:5432/app as user app"),
            ("postgres://app@%2Frun%2Fpg/shop?sslmode=prefer", "/run/pg:5432/shop as user app"),
            ("postgres:///shop?user=app&host=/run/pg&sslmode=disable", "/run/pg:5432/shop as user app"),
        ];
        for (address, shown) in table {
            assert_eq!(address.parse::<PostgresAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn refuses_what_it_cannot_honour_and_never_repeats_a_password() {
        let tls = |mode: &str| AddressRefused::Tls { mode: mode.to_owned() };
        let table = [
            ("host=127.0.0.1 user=app password=s3cret", AddressRefused::NotAUrl),
            ("postgres://app:s3cret@127.0.0.1/shop", AddressRefused::Password),
            ("postgres://app:s3cret@s3cret@127.0.0.1/shop", AddressRefused::Password),
            ("postgres://app:@127.0.0.1/shop", AddressRefused::Password),
            ("postgres://app@127.0.0.1/shop?password=s3cret", AddressRefused::Password),
            ("postgres://app@127.0.0.1/shop?p%61ssword=s3cret", AddressRefused::Password),
            ("postgres://127.0.0.1/shop", AddressRefused::NoUser),
            ("postgres://app@/shop", AddressRefused::NoHost),
            ("postgres://app@db/shop?sslmode=require", tls("require")),
            ("postgres://app@db/shop?sslmode=verify-full", tls("verify-full")),
        ];
        for (address, refused) in table {
            let found = refusal(address);
            assert_eq!(found, refused, "{address}");
            assert!(!format!("{found} {found:?}").contains("s3cret"), "{found}");
        }
        assert!(matches!(refusal("postgres://app@db:port/shop"), AddressRefused::Unreadable { .. }));
        assert!(matches!(refusal("postgres://app@db/shop?sslrootcert=x"), AddressRefused::Unreadable { .. }));
    }
}
