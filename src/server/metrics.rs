//! What `/metrics` says: the queues, and everything in doubt with its age (G6).

use std::fmt::Write;

use handfast_coordinator_core::{Answer as Coordinated, Request as Ask, ResourceView, TransactionView};
use handfast_machine::{Answer, ForeignBranch, Request};
use handfast_protocol::Gauge;
use handfast_queue::manager::{Answer as Queued, QueueView, Request as QueueAsk};

use super::accounts::Accounts;
use super::core_thread::Core;
use super::role::Role;

/// Queues with series of their own; the totals count all. More would make a scrape slower than its interval.
const QUEUES_SHOWN_MAX: usize = 1000;

/// In-doubt transactions that one scrape counts.
const IN_DOUBT_MAX: usize = 10_000;

/// The whole page; `None` while the server does not serve.
pub async fn render(accounts: &Accounts, role: Role) -> Option<String> {
    let core = &accounts.core;
    let mut text = String::new();
    match role {
        Role::QueueManager => write_queues(&mut text, &ask_queues(core).await?),
        Role::Coordinator => {}
    }
    let in_doubt = ask_in_doubt(core).await?;
    let Ok(Ok(Answer::Coordinator(Coordinated::Resources(resources)))) =
        core.ask(Request::Coordinator(Ask::ListResources)).await
    else {
        return None;
    };
    write_transactions(&mut text, &in_doubt, &resources);
    match role {
        Role::QueueManager => write_foreign(&mut text, &ask_foreign(core).await?),
        Role::Coordinator => {}
    }
    for Gauge { name, what, value, limit } in accounts.gauges().await? {
        gauge(&mut text, &format!("handfast_{name}"), what, value);
        if let Some(limit) = limit {
            gauge(&mut text, &format!("handfast_{name}_limit"), &format!("The limit of handfast_{name}"), limit);
        }
    }
    Some(text)
}

/// Page by page.
async fn ask_in_doubt(core: &Core) -> Option<Vec<TransactionView>> {
    let mut found: Vec<TransactionView> = Vec::new();
    while found.len() < IN_DOUBT_MAX {
        let after = found.last().map(|transaction| transaction.id);
        let list = Ask::ListTransactions { in_doubt: true, after, limit: IN_DOUBT_MAX - found.len() };
        match core.ask(Request::Coordinator(list)).await {
            Ok(Ok(Answer::Coordinator(Coordinated::Transactions(page)))) if page.is_empty() => break,
            Ok(Ok(Answer::Coordinator(Coordinated::Transactions(page)))) => found.extend(page),
            Ok(Ok(_) | Err(_)) | Err(_) => return None,
        }
    }
    Some(found)
}

/// Those of one page: beyond it the number tells no more than that there are too many.
async fn ask_foreign(core: &Core) -> Option<Vec<ForeignBranch>> {
    match core.ask(Request::ListForeign { after: None, limit: IN_DOUBT_MAX }).await {
        Ok(Ok(Answer::Foreign(branches))) => Some(branches),
        Ok(Ok(_) | Err(_)) | Err(_) => None,
    }
}

async fn ask_queues(core: &Core) -> Option<Vec<QueueView>> {
    match core.ask(Request::Queue(QueueAsk::ListQueues)).await {
        Ok(Ok(Answer::Queue(Queued::Queues(queues)))) => Some(queues),
        Ok(Ok(_) | Err(_)) | Err(_) => None,
    }
}

/// Name, help, and what it says of a queue.
type Series = (&'static str, &'static str, fn(&QueueView) -> u64);

fn write_queues(text: &mut String, queues: &[QueueView]) {
    let total = |value: fn(&QueueView) -> u64| queues.iter().map(value).sum::<u64>();
    gauge(text, "handfast_queues", "Queues", queues.len() as u64);
    gauge(text, "handfast_messages", "Messages in all queues, locked ones included", total(|queue| queue.messages));
    gauge(text, "handfast_message_bytes", "Bodies and properties of all messages", total(|queue| queue.bytes));
    let per_queue: [Series; 5] = [
        ("handfast_queue_messages", "Messages in the queue, locked ones included", |queue| queue.messages),
        ("handfast_queue_bytes", "Bodies and properties of the queue's messages", |queue| queue.bytes),
        ("handfast_queue_locked", "Messages that active transactions have received", |queue| queue.locked),
        ("handfast_queue_in_doubt", "Messages that prepared transactions hold", |queue| queue.in_doubt),
        ("handfast_queue_waiting_receives", "Receives that wait for a message", |queue| queue.waiting_receives),
    ];
    for (name, help, value) in per_queue {
        head(text, name, help);
        for queue in queues.iter().take(QUEUES_SHOWN_MAX) {
            line(text, name, "queue", queue.name.as_str(), value(queue));
        }
    }
}

fn write_transactions(text: &mut String, in_doubt: &[TransactionView], resources: &[ResourceView]) {
    let oldest = in_doubt.iter().filter_map(|transaction| transaction.age).map(|age| age.as_secs()).max().unwrap_or(0);
    gauge(text, "handfast_transactions_in_doubt", "Transactions in doubt", in_doubt.len() as u64);
    gauge(text, "handfast_transactions_in_doubt_oldest_seconds", "Age of the oldest transaction in doubt", oldest);
    head(text, "handfast_resource_attached", "1 while the resource can be used");
    for view in resources {
        line(text, "handfast_resource_attached", "resource", view.resource.name.as_str(), u64::from(view.attached));
    }
}

fn write_foreign(text: &mut String, branches: &[ForeignBranch]) {
    let oldest = branches.iter().map(|branch| branch.age.as_secs()).max().unwrap_or(0);
    let what = "Prepared branches of other coordinators' transactions, which decide them";
    gauge(text, "handfast_branches_in_doubt", what, branches.len() as u64);
    gauge(text, "handfast_branches_in_doubt_oldest_seconds", "Age of the oldest of them", oldest);
}

fn head(text: &mut String, name: &str, help: &str) {
    writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge").expect("writing to a string does not fail");
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    head(text, name, help);
    writeln!(text, "{name} {value}").expect("writing to a string does not fail");
}

/// Queue names hold no `"` and no `\` (MSMQ's rules), so a label needs no escapes.
fn line(text: &mut String, name: &str, label: &str, of: &str, value: u64) {
    writeln!(text, "{name}{{{label}=\"{of}\"}} {value}").expect("writing to a string does not fail");
}
