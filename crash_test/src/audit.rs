//! The end of a run, when all is well again: what is in the queues, in the database, and what the coordinator says.

use std::collections::BTreeSet;
use std::time::Instant;

use handfast_checker::history::{DeadLetter, Event, Finding, History, Known, Message, Op, Outcome, What};
use handfast_client::{Handfast, KnownOutcome, PeekedMessage, TransactionFilter};
use handfast_protocol::{GlobalId, QueueName};

use crate::database::Database;
use crate::error::CrashTestError;
use crate::limits::{LOOK_EVERY, OUTCOMES_ASKED, PAGE, SETTLE_WITHIN};
use crate::stage::{DATABASE, SERVER};
use crate::witness::{now, told};

/// Everything that is found, as lines of the history.
pub async fn look(
    handfast: &Handfast,
    database: &Database,
    resource: Option<&str>,
    queues: &[QueueName],
    prepared_before: &BTreeSet<String>,
) -> Result<Vec<Event>, CrashTestError> {
    let mut found = Found(Vec::new());
    for queue in queues {
        let view = handfast.queue(queue.as_str()).await?;
        let messages = messages(handfast, queue).await?;
        let messages = messages.iter().map(|(peeked, body)| told(&peeked.message.properties, body)).collect();
        let held = view.locked + view.in_doubt;
        found.tell(SERVER, Finding::Queue { queue: queue.to_string(), messages, held });
    }
    found.tell(SERVER, Finding::DeadLetters { letters: letters(handfast).await? });
    if let Some(resource) = resource {
        found.tell(DATABASE, Finding::Rows { resource: resource.to_owned(), rows: database.rows().await? });
        let prepared = database.prepared().await?.into_iter().filter(|gid| !prepared_before.contains(gid)).collect();
        found.tell(DATABASE, Finding::Branches { prepared, holding: Vec::new() });
    }
    let transactions = handfast.transactions(TransactionFilter { in_doubt: true, after: None, limit: PAGE }).await?;
    let (heuristic, open): (Vec<_>, Vec<_>) = transactions.into_iter().partition(|view| view.state == "forced");
    let names = |views: Vec<handfast_client::TransactionView>| views.into_iter().map(|view| view.gtrid).collect();
    found.tell(SERVER, Finding::Transactions { open: names(open), heuristic: names(heuristic) });
    Ok(found.0)
}

/// What the coordinator says of the transactions whose end nobody was told, and of the last of the others.
pub async fn ask_outcomes(handfast: &Handfast, history: &History) -> Result<Vec<Event>, CrashTestError> {
    let mut found = Found(Vec::new());
    let (told, untold) = begun(history);
    for id in untold.into_iter().chain(told.into_iter().rev().take(OUTCOMES_ASKED)) {
        let Ok(global) = id.parse::<GlobalId>() else { continue };
        let outcome = match handfast.outcome(global).await? {
            KnownOutcome::Committed => Known::Ended(Outcome::Committed),
            KnownOutcome::RolledBack { .. } => Known::Ended(Outcome::RolledBack),
            KnownOutcome::Heuristic(_) => Known::Heuristic,
            KnownOutcome::Undecided { state } => Known::Open(state),
            KnownOutcome::Forgotten => Known::Forgotten,
        };
        found.tell(SERVER, Finding::Outcome { transaction: id.to_owned(), outcome });
    }
    Ok(found.0)
}

/// Transactions in the order of their begin: those whose end somebody was told, and the others.
fn begun(history: &History) -> (Vec<&str>, Vec<&str>) {
    let ended = history.events.iter().filter_map(|event| match &event.what {
        What::Ok(Op::Commit { transaction } | Op::Rollback { transaction })
        | What::Fail(Op::Commit { transaction }) => Some(transaction.as_str()),
        _ => None,
    });
    let ended: BTreeSet<&str> = ended.collect();
    let begun = history.events.iter().filter_map(|event| match &event.what {
        What::Ok(Op::Begin { transaction }) => Some(transaction.as_str()),
        _ => None,
    });
    begun.partition(|id| ended.contains(id))
}

/// Waits until nothing is in doubt, for a while.
pub async fn settle(handfast: &Handfast) -> Result<(), CrashTestError> {
    let since = Instant::now();
    let in_doubt = TransactionFilter { in_doubt: true, ..TransactionFilter::default() };
    while since.elapsed() < SETTLE_WITHIN && !handfast.transactions(in_doubt.clone()).await?.is_empty() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

struct Found(Vec<Event>);

impl Found {
    fn tell(&mut self, process: &str, finding: Finding) {
        self.0.push(Event { at: now(), process: process.to_owned(), what: What::Audit(finding) });
    }
}

async fn letters(handfast: &Handfast) -> Result<Vec<DeadLetter>, CrashTestError> {
    let mut letters = Vec::new();
    for (peeked, body) in messages(handfast, &QueueName::dead_letter()).await? {
        let message: Message = told(&peeked.message.properties, &body);
        let Some(dead) = &peeked.message.dead_letter else { continue };
        letters.push(DeadLetter {
            message,
            queue: dead.queue.to_string(),
            reason: dead.reason.to_string(),
            died_at: dead.dead_at.0,
            expires_at: None,
        });
    }
    Ok(letters)
}

/// All messages of a queue that nobody has locked, in order, with their bodies.
async fn messages(
    handfast: &Handfast,
    queue: &QueueName,
) -> Result<Vec<(PeekedMessage, bytes::Bytes)>, CrashTestError> {
    let (mut messages, mut after) = (Vec::new(), None);
    loop {
        let page = handfast.peek(queue.as_str(), after, PAGE, u32::MAX).await?;
        let Some(last) = page.last() else { return Ok(messages) };
        after = Some(last.place);
        for peeked in page {
            let body = handfast.peeked_body(&peeked).await?;
            messages.push((peeked, body));
        }
    }
}
