//! One connection to PostgreSQL, set up so that its commits are durable and its waits are bounded.

use std::time::Duration;

use handfast_coordinator_core::{Resource, ResourceId};
use handfast_protocol::ResourceName;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};
use tracing::debug;
use uuid::Uuid;

use super::address::{PostgresAddress, refuse_tls};
use super::tables::Tables;
use crate::drivers::failure::{Failure, is_network};
use crate::drivers::limits::{LOCK_TIMEOUT, STATEMENT_TIMEOUT};
use crate::drivers::secrets::Secrets;

/// An open connection. Dropping it closes the socket at once, whatever is under way.
#[derive(Debug)]
pub struct Session {
    pub client: Client,
    io: JoinHandle<()>,
    idle_since: Instant,
}

impl Session {
    /// Connects, and no more: nothing is set and nothing is checked.
    pub async fn connect(
        address: &PostgresAddress,
        name: &ResourceName,
        secrets: &Secrets,
    ) -> Result<Session, Failure> {
        refuse_tls(secrets.tls_mode())?;
        let hosts = address.host_names();
        let found = secrets.password(name, &address.account(&hosts)).await;
        let mut config = address.config().clone();
        if let Some(password) = &found.password {
            config.password(password.as_bytes());
        }
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|cause| match is_refused_login(&cause) {
            true => Failure::Authentication {
                user: address.user().to_owned(),
                variable: Secrets::variable_of(name),
                ignored: found.ignored,
                cause,
            },
            false => Failure::Postgres(cause),
        })?;
        let name = name.clone();
        let io = tokio::spawn(async move {
            // Whoever waits for an answer learns of the loss from the client half; idle connections may be lost unnoticed.
            if let Err(error) = connection.await {
                debug!(resource = %name, %error, "connection lost");
            }
        });
        Ok(Session { client, io, idle_since: Instant::now() })
    }

    /// Connects to a registered resource: settings made and read back (P12), resource id compared (P3).
    pub async fn open(resource: &Resource, secrets: &Secrets) -> Result<Session, Failure> {
        let session = Session::connect(&resource.address.parse()?, &resource.name, secrets).await?;
        session.prepare_for_work().await?;
        session.check_resource(resource).await?;
        Ok(session)
    }

    /// Every commit of this session flushes (P12, P13), in READ COMMITTED, on a primary; every wait ends before ours does.
    pub async fn prepare_for_work(&self) -> Result<(), Failure> {
        let (lock, statement) = (LOCK_TIMEOUT.as_millis(), STATEMENT_TIMEOUT.as_millis());
        let settings = format!(
            "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; \
             SET lock_timeout = {lock}; SET statement_timeout = {statement}; \
             SET idle_in_transaction_session_timeout = {statement}; SET search_path = pg_catalog"
        );
        self.client.batch_execute(&settings).await?;
        let row = self.client.query_typed_one(READ_BACK, &[]).await?;
        expect_setting("synchronous_commit", "on", row.try_get(0)?)?;
        expect_setting("transaction_isolation", "read committed", row.try_get(1)?)?;
        match (row.try_get(2)?, row.try_get(3)?) {
            (false, "off") => Ok(()),
            (_, _) => Err(Failure::ReadOnly),
        }
    }

    pub async fn check_resource(&self, resource: &Resource) -> Result<(), Failure> {
        let row = self.client.query_typed_opt(&Tables::of(resource).select_resource_id(), &[]).await?;
        let found = match row {
            None => None,
            Some(row) => read_resource_id(row.try_get(0)?),
        };
        expect_resource(resource, found)
    }

    pub fn set_idle(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Whether it may be used again: open, and not unused for longer than `most`.
    pub fn is_fresh(&self, most: Duration) -> bool {
        !self.client.is_closed() && self.idle_since.elapsed() < most
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.io.abort();
    }
}

const READ_BACK: &str = "SELECT current_setting('synchronous_commit'), current_setting('transaction_isolation'), \
     pg_is_in_recovery(), current_setting('transaction_read_only')";

/// A setting that does not hold, because something between us and the server shares connections, say.
pub fn expect_setting(name: &'static str, wanted: &'static str, found: &str) -> Result<(), Failure> {
    match found == wanted {
        true => Ok(()),
        false => Err(Failure::Setting { name, wanted, found: found.to_owned() }),
    }
}

pub fn read_resource_id(text: &str) -> Option<ResourceId> {
    Uuid::try_parse(text).ok().map(ResourceId)
}

pub fn expect_resource(resource: &Resource, found: Option<ResourceId>) -> Result<(), Failure> {
    match found == Some(resource.resource_id) {
        true => Ok(()),
        false => Err(Failure::WrongResource { found }),
    }
}

/// The server refused the login, or asked for a password that we do not have.
fn is_refused_login(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => code.code().starts_with("28"),
        None => !is_network(error),
    }
}
