//! `handfast resource`: the databases and services that transactions take along.

use std::path::PathBuf;

use handfast_client::Handfast;
use handfast_protocol::{ResourceKind, ResourceName, ResourceNameError};
use serde::Serialize;

use super::output::{print_done, print_list};
use super::records::{FindingRecord, ResourceRecord};
use super::{CommandError, Ended, Options};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  handfast resource add ledger --sqlite ledger.db
  handfast resource add ledger --postgres postgres://app@127.0.0.1/shop
  handfast resource test ledger

A password is never part of the address: it comes from HANDFAST_PASSWORD_<NAME>, PGPASSWORD or ~/.pgpass, for the server and \
for each client.")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Register a resource; a database gets the tables that Handfast needs there
    Add {
        #[arg(value_parser = resource_name)]
        name: ResourceName,
        #[command(flatten)]
        address: Address,
        /// Take part with PREPARE TRANSACTION, in place of a marker row (needs max_prepared_transactions above 0)
        #[arg(long, requires = "postgres", conflicts_with_all = ["sqlite", "service"])]
        two_phase: bool,
    },
    /// List all resources
    List,
    /// Say what is right and what is missing at a resource
    Test {
        #[arg(value_parser = resource_name)]
        name: ResourceName,
    },
    /// Remove a resource; refused while anything is in doubt there
    Remove {
        #[arg(value_parser = resource_name)]
        name: ResourceName,
    },
    /// Say that this server is no copy of another, so that it may recover what is at the resource
    Adopt {
        #[arg(value_parser = resource_name)]
        name: ResourceName,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Address {
    /// A SQLite database on the server's host
    #[arg(long, value_name = "FILE")]
    sqlite: Option<PathBuf>,
    /// A PostgreSQL database, such as postgres://app@127.0.0.1/shop
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A gRPC service ResourceManager, such as http://127.0.0.1:7000
    #[arg(long, value_name = "URL")]
    service: Option<String>,
}

fn resource_name(text: &str) -> Result<ResourceName, ResourceNameError> {
    ResourceName::new(text)
}

#[derive(Serialize)]
struct Acted<'a> {
    resource: &'a str,
    action: &'static str,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let (handfast, output) = (options.connect().await?, options.output);
        let done = |name: &ResourceName, action: &'static str| {
            let acted = Acted { resource: name.as_str(), action };
            print_done(output, &acted, &format!("resource {name} is {action}"))
        };
        match self.action {
            Action::Add { name, address, two_phase } => {
                let (kind, address) = address.named(two_phase)?;
                handfast.add_resource(name.as_str(), kind, &address).await?;
                done(&name, "added")?;
            }
            Action::List => {
                let views = handfast.resources().await?;
                let records: Vec<ResourceRecord> = views.into_iter().map(ResourceRecord::from).collect();
                print_list(output, &records, &["name", "kind", "address", "attached", "in_doubt", "problem"])?;
            }
            Action::Test { name } => return test(&handfast, options, &name).await,
            Action::Remove { name } => {
                handfast.remove_resource(name.as_str()).await?;
                done(&name, "removed")?;
            }
            Action::Adopt { name } => {
                handfast.adopt_resource(name.as_str()).await?;
                done(&name, "adopted")?;
            }
        }
        Ok(Ended::Done)
    }
}

impl Address {
    /// How it takes part, and where it is.
    fn named(self, two_phase: bool) -> Result<(ResourceKind, String), CommandError> {
        let postgres = if two_phase { ResourceKind::PostgresTwoPhase } else { ResourceKind::PostgresMarker };
        Ok(match (self.sqlite, self.postgres, self.service) {
            (Some(file), _, _) => (ResourceKind::SqliteMarker, absolute(&file)?),
            (None, Some(url), _) => (postgres, url),
            (None, None, url) => (ResourceKind::Service, url.unwrap_or_default()),
        })
    }
}

/// The server has a working directory of its own.
pub fn absolute(file: &std::path::Path) -> Result<String, CommandError> {
    let path = file.display().to_string();
    let absolute = std::path::absolute(file).map_err(|cause| CommandError::Path { path: path.clone(), cause })?;
    let not_text = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not UTF-8 text");
    absolute.into_os_string().into_string().map_err(|_| CommandError::Path { path, cause: not_text() })
}

/// Fails where something is missing.
async fn test(handfast: &Handfast, options: &Options, name: &ResourceName) -> Result<Ended, CommandError> {
    let findings = handfast.test_resource(name.as_str()).await?;
    let records: Vec<FindingRecord> = findings.into_iter().map(FindingRecord::from).collect();
    print_list(options.output, &records, &["ok", "what", "remedy"])?;
    Ok(if records.iter().all(|finding| finding.ok) { Ended::Done } else { Ended::Unsound })
}
