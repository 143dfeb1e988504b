//! What the words of a scenario's commands mean.

use super::*;
use handfast_protocol::{Heuristic, PrepareVote};

pub fn request(words: &[&str]) -> Option<Request> {
    Some(match words {
        ["begin"] => Request::Begin { timeout: Duration::ZERO },
        ["begin", timeout] => Request::Begin { timeout: span(timeout) },
        ["enlist", transaction, resource] => Request::Enlist { id: id(transaction), resource: name(resource) },
        ["commit", transaction] => Request::Commit { id: id(transaction), prepared: Vec::new() },
        ["commit", transaction, "prepared", names @ ..] => {
            Request::Commit { id: id(transaction), prepared: names.iter().map(|text| name(text)).collect() }
        }
        ["report", transaction, "committed"] => Request::Report { id: id(transaction), report: Report::Committed },
        ["report", transaction, "uncertain"] => Request::Report { id: id(transaction), report: Report::Uncertain },
        ["rollback", transaction] => Request::Rollback { id: id(transaction) },
        ["outcome", transaction] => Request::Outcome { id: id(transaction), wait: Duration::ZERO },
        ["outcome", transaction, "wait", wait] => Request::Outcome { id: id(transaction), wait: span(wait) },
        ["add", resource, kind] => Request::AddResource { resource: resource_of(resource, kind) },
        ["remove", resource] => Request::RemoveResource { name: name(resource) },
        ["resources"] => Request::ListResources,
        ["adopt", resource] => Request::Adopt { name: name(resource) },
        ["list"] => Request::ListTransactions { in_doubt: false, after: None, limit: 10 },
        ["list", "in-doubt"] => Request::ListTransactions { in_doubt: true, after: None, limit: 10 },
        ["show", transaction] => Request::ShowTransaction { id: id(transaction) },
        ["resolve", transaction, to] => resolve(transaction, to, false),
        ["resolve", transaction, to, "force"] => resolve(transaction, to, true),
        ["forget", transaction] => Request::Forget { id: id(transaction) },
        _ => return None,
    })
}

fn resolve(transaction: &str, to: &str, force: bool) -> Request {
    Request::Resolve { id: id(transaction), outcome: outcome(to), force }
}

fn resource_of(text: &str, kind: &str) -> Resource {
    Resource {
        name: name(text),
        kind: ResourceKind::ALL.into_iter().find(|found| found.as_str() == kind).expect("a kind of resource"),
        address: format!("at {text}"),
        resource_id: ResourceId(Uuid::from_u128(7)),
        schema: String::new(),
    }
}

/// Whether a call awaits such an answer.
pub fn fits(ask: &Ask, answer: &str) -> bool {
    match ask {
        Ask::Attach { .. } => {
            matches!(answer, "attached" | "ahead" | "unknown-coordinator" | "unreachable" | "wrong-resource")
        }
        Ask::Scan { .. } => answer == "scanned",
        Ask::Prepare { .. } => matches!(answer, "voted" | "unreachable" | "timed-out" | "refused"),
        Ask::Commit { .. } | Ask::Rollback { .. } => {
            matches!(answer, "done" | "heuristic" | "unreachable" | "timed-out" | "refused")
        }
        Ask::Fence { .. } => matches!(answer, "fenced" | "unreachable" | "timed-out" | "refused" | "wrong-resource"),
        Ask::ClearMarkers { .. } | Ask::Forget { .. } => matches!(answer, "done" | "unreachable"),
    }
}

pub fn is_about(ask: &Ask, transaction: &str) -> bool {
    let of = |xid: &Xid| GlobalId::try_from(xid) == Ok(id(transaction));
    match ask {
        Ask::Prepare { xid } | Ask::Commit { xid } | Ask::Rollback { xid } | Ask::Forget { xid } => of(xid),
        Ask::Fence { id: fenced } => *fenced == id(transaction),
        Ask::Attach { .. } | Ask::Scan { .. } | Ask::ClearMarkers { .. } => false,
    }
}

pub fn told(resource: &ResourceName, words: &[&str]) -> Result<Told, CallFailed> {
    let resource = resource.clone();
    Ok(match words {
        ["attached"] => Told::Attached { slots: None },
        ["attached", "slots", slots] => Told::Attached { slots: Some(slots.parse().unwrap()) },
        ["ahead", "epoch", epoch] => {
            let epoch = epoch.parse().unwrap();
            Told::Ahead { found: Identity { coordinator: COORDINATOR, incarnation: INCARNATION, epoch } }
        }
        ["ahead", "incarnation"] => {
            Told::Ahead { found: Identity { coordinator: COORDINATOR, incarnation: OTHER_INCARNATION, epoch: 1 } }
        }
        ["unknown-coordinator"] => Told::UnknownCoordinator,
        ["scanned", xids @ ..] => Told::Scanned(xids.iter().map(|text| xid(text)).collect()),
        ["voted", "commit"] => Told::Voted(PrepareVote::Commit),
        ["voted", "read-only"] => Told::Voted(PrepareVote::ReadOnly),
        ["voted", "rollback"] => Told::Voted(PrepareVote::Rollback),
        ["done"] => Told::Done,
        ["fenced", to] => Told::Fenced(outcome(to)),
        ["heuristic", "commit"] => Told::Heuristic(Heuristic::Commit),
        ["heuristic", "rollback"] => Told::Heuristic(Heuristic::Rollback),
        ["heuristic", "hazard"] => Told::Heuristic(Heuristic::Hazard),
        ["unreachable"] => {
            return Err(CallFailed::Unreachable { resource, cause: "it is down".to_owned() });
        }
        ["timed-out"] => return Err(CallFailed::TimedOut { resource }),
        ["refused"] => {
            return Err(CallFailed::Refused { resource, cause: "permission denied".to_owned() });
        }
        ["wrong-resource"] => {
            let expected = ResourceId(Uuid::from_u128(7));
            return Err(CallFailed::WrongResource { resource, expected, found: None });
        }
        other => panic!("no such answer: {other:?}"),
    })
}

fn outcome(word: &str) -> Outcome {
    match word {
        "commit" | "committed" => Outcome::Committed,
        "rollback" | "rolled-back" => Outcome::RolledBack,
        other => panic!("no such outcome: {other}"),
    }
}

/// `T1.2`: epoch 1, sequence 2. `F1.2`: the same of another incarnation.
fn id(text: &str) -> GlobalId {
    let (incarnation, rest) = match text.split_at(1) {
        ("T", rest) => (INCARNATION, rest),
        ("F", rest) => (OTHER_INCARNATION, rest),
        _ => panic!("no transaction: {text}"),
    };
    let (epoch, sequence) = rest.split_once('.').expect("epoch and sequence");
    let (epoch, sequence) = (epoch.parse().unwrap(), sequence.parse().unwrap());
    GlobalId { coordinator: COORDINATOR, incarnation, epoch, sequence }
}

fn xid(text: &str) -> Xid {
    let (transaction, resource) = text.split_once('@').expect("transaction@resource");
    id(transaction).branch(name(resource).bqual())
}

fn name(text: &str) -> ResourceName {
    ResourceName::new(text).unwrap()
}

pub fn connection(text: &str) -> ConnectionId {
    ConnectionId(text.strip_prefix('C').unwrap().parse().unwrap())
}

pub fn span(text: &str) -> Duration {
    match (text.strip_suffix("ms"), text.strip_suffix('s'), text.strip_suffix('h')) {
        (Some(millis), _, _) => Duration::from_millis(millis.parse().unwrap()),
        (None, Some(seconds), _) => Duration::from_secs(seconds.parse().unwrap()),
        (None, None, Some(hours)) => Duration::from_secs(3600 * hours.parse::<u64>().unwrap()),
        (None, None, None) => panic!("no time: {text}"),
    }
}
