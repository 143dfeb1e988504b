//! `handfast transaction`: see what is under way and what is in doubt, and resolve it without guessing.

use std::fmt;
use std::str::FromStr;

use handfast_client::{Force, Handfast, KnownOutcome, TransactionFilter, TransactionView};
use handfast_protocol::{GlobalId, Outcome, Xid};
use serde::Serialize;

use super::output::{print_done, print_list, print_one};
use super::records::{TransactionRecord, heuristic_word};
use super::{CommandError, Ended, Options};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  handfast transaction list --in-doubt
  handfast transaction show GTRID
  handfast transaction resolve GTRID commit")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the transactions that have not ended
    List {
        /// Only those that wait for a resource or for you
        #[arg(long)]
        in_doubt: bool,
    },
    /// Show one transaction: its branches, which side knows what, and what you can do
    Show {
        /// As `list` shows it
        #[arg(value_name = "GTRID")]
        name: TransactionName,
    },
    /// End a transaction that cannot end by itself
    ///
    /// A database that decides is asked first, and its word stands: the opposite is refused. `forget` drops a heuristic
    /// outcome that you have seen.
    Resolve {
        /// As `list` shows it
        #[arg(value_name = "GTRID")]
        name: TransactionName,
        #[arg(value_enum)]
        decision: Decision,
        /// Do not ask the resource: it is gone for good. What follows is recorded as heuristic
        #[arg(long)]
        force: bool,
    },
}

/// What `list` shows of a transaction to name it by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TransactionName {
    /// A Handfast coordinator's, this server's or another's.
    Handfast(GlobalId),
    /// Whoever's it is, it has a branch here.
    Foreign(Xid),
}

impl FromStr for TransactionName {
    type Err = String;

    fn from_str(text: &str) -> Result<TransactionName, String> {
        match (text.parse(), text.parse()) {
            (Ok(id), _) => Ok(TransactionName::Handfast(id)),
            // An own one may be written in full.
            (Err(_), Ok(xid)) => Ok(match GlobalId::try_from(&xid) {
                Ok(id) => TransactionName::Handfast(id),
                Err(_) => TransactionName::Foreign(xid),
            }),
            (Err(error), Err(_)) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for TransactionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransactionName::Handfast(id) => id.fmt(f),
            TransactionName::Foreign(xid) => xid.fmt(f),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Decision {
    Commit,
    Rollback,
    Forget,
}

#[derive(Serialize)]
struct Resolved {
    gtrid: String,
    outcome: &'static str,
    reason: String,
}

impl Args {
    pub async fn run(self, options: &Options) -> Result<Ended, CommandError> {
        let (handfast, output) = (options.connect().await?, options.output);
        match self.action {
            Action::List { in_doubt } => {
                let mut views = all(&handfast, in_doubt).await?;
                views.extend(all_foreign(&handfast).await?);
                let records: Vec<TransactionRecord> = views.into_iter().map(TransactionRecord::from).collect();
                print_list(output, &records, &["gtrid", "state", "outcome", "age_seconds", "suggestion"])?;
            }
            Action::Show { name } => {
                print_one(output, &TransactionRecord::from(find(&handfast, &name).await?))?;
            }
            Action::Resolve { name, decision, force } => {
                let force = if force { Force::ResourceIsGone } else { Force::No };
                let TransactionName::Handfast(gtrid) = name else {
                    find(&handfast, &name).await?;
                    return Err(CommandError::ForeignTransaction { name: name.to_string() });
                };
                let resolved = match resolve(&handfast, gtrid, decision, force).await {
                    Err(_) if foreign(&handfast, &name).await?.is_some() => {
                        return Err(CommandError::OtherCoordinators { gtrid });
                    }
                    resolved => resolved?,
                };
                let Resolved { outcome, reason, .. } = &resolved;
                let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let sentence = format!("transaction {gtrid} is {outcome}{because}");
                print_done(output, &resolved, &sentence)?;
            }
        }
        Ok(Ended::Done)
    }
}

/// Every page of the list.
async fn all(handfast: &Handfast, in_doubt: bool) -> Result<Vec<TransactionView>, CommandError> {
    let mut found: Vec<TransactionView> = Vec::new();
    let mut after = None;
    loop {
        let page = handfast.transactions(TransactionFilter { in_doubt, after, limit: PAGE }).await?;
        let last = page.last().and_then(|view| view.gtrid.parse().ok());
        let is_last = page.len() < PAGE as usize || last.is_none();
        found.extend(page);
        if is_last {
            return Ok(found);
        }
        after = last;
    }
}

/// The branches of other coordinators' transactions that are in doubt here.
async fn all_foreign(handfast: &Handfast) -> Result<Vec<TransactionView>, CommandError> {
    let mut found: Vec<TransactionView> = Vec::new();
    loop {
        let after = found.last().and_then(|view| view.foreign.clone());
        let page = handfast.foreign_transactions(after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

async fn foreign(handfast: &Handfast, name: &TransactionName) -> Result<Option<TransactionView>, CommandError> {
    let name = name.to_string();
    Ok(all_foreign(handfast).await?.into_iter().find(|view| view.gtrid == name))
}

/// One of this server's coordinator, or a branch of another's.
async fn find(handfast: &Handfast, name: &TransactionName) -> Result<TransactionView, CommandError> {
    let unknown = match name {
        TransactionName::Handfast(gtrid) => match handfast.transaction(*gtrid).await {
            Ok(view) => return Ok(view),
            Err(error) => error.into(),
        },
        TransactionName::Foreign(xid) => CommandError::UnknownXid { xid: xid.clone() },
    };
    foreign(handfast, name).await?.ok_or(unknown)
}

/// Transactions of one page, as many as a server gives.
const PAGE: u32 = 1_000;

async fn resolve(
    handfast: &Handfast,
    id: GlobalId,
    decision: Decision,
    force: Force,
) -> Result<Resolved, CommandError> {
    let outcome = match decision {
        Decision::Commit => Outcome::Committed,
        Decision::Rollback => Outcome::RolledBack,
        Decision::Forget => {
            handfast.forget_transaction(id).await?;
            return Ok(Resolved { gtrid: id.to_string(), outcome: "forgotten", reason: String::new() });
        }
    };
    let (outcome, reason) = match handfast.resolve_transaction(id, outcome, force).await? {
        KnownOutcome::Committed => ("committed", String::new()),
        KnownOutcome::RolledBack { reason } => ("rolled back", reason),
        KnownOutcome::Heuristic(heuristic) => ("heuristic", heuristic_word(heuristic).to_owned()),
        KnownOutcome::Undecided { state } => ("undecided", state),
        KnownOutcome::Forgotten => ("forgotten", String::new()),
    };
    Ok(Resolved { gtrid: id.to_string(), outcome, reason })
}
