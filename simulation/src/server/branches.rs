//! A queue manager as a resource of another coordinator: the questions of `ResourceManager` as XA verbs (XA+ 2.3), and what
//! their answers mean.

use handfast_coordinator_core::{Ask, CallFailed, Told};
use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, PrepareVote, ResourceName, Xid};
use handfast_queue::manager::{self, RequestRefused};

/// The branches that one question for prepared ones asks for.
const RECOVERED_AT_ONCE: usize = 1_000;

/// The verb that a question asks for. `None`: the queue manager itself has nothing to do for it.
pub fn asked_of_queues(ask: &Ask) -> Option<Request> {
    let verb = match ask {
        Ask::Prepare { xid } => manager::Request::Prepare { xid: xid.clone() },
        Ask::Commit { xid } => manager::Request::Commit { xid: xid.clone(), one_phase: false },
        Ask::Rollback { xid } => manager::Request::Rollback { xid: xid.clone(), blame: None },
        Ask::Scan { .. } => manager::Request::Recover { after: None, limit: RECOVERED_AT_ONCE },
        Ask::Forget { xid } => manager::Request::Forget { xid: xid.clone() },
        Ask::Attach { .. } | Ask::Fence { .. } | Ask::ClearMarkers { .. } => return None,
    };
    Some(Request::Queue(verb))
}

/// What the verb's answer tells the coordinator.
pub fn told_by_queues(resource: &ResourceName, ask: &Ask, answer: Result<Answer, Refusal>) -> Result<Told, CallFailed> {
    let refused =
        |cause: &dyn std::fmt::Display| CallFailed::Refused { resource: resource.clone(), cause: cause.to_string() };
    let answer = match answer {
        Ok(Answer::Queue(answer)) => Ok(answer),
        Err(Refusal::Queue(refusal)) => Err(refusal),
        Ok(_) | Err(_) => {
            let cause = "it does not serve its queues now".to_owned();
            return Err(CallFailed::Unreachable { resource: resource.clone(), cause });
        }
    };
    let is_gone = |refusal: &RequestRefused| {
        matches!(refusal, RequestRefused::TransactionNotActive { .. } | RequestRefused::RolledBack { .. })
    };
    match (ask, answer) {
        (Ask::Prepare { .. }, Ok(manager::Answer::Voted(vote))) => Ok(Told::Voted(vote)),
        (Ask::Prepare { .. }, Err(refusal)) if is_gone(&refusal) => Ok(Told::Voted(PrepareVote::Rollback)),
        (Ask::Scan { coordinator }, Ok(manager::Answer::Branches(xids))) => Ok(Told::Scanned(of(*coordinator, xids))),
        (Ask::Commit { .. } | Ask::Rollback { .. } | Ask::Forget { .. }, Ok(_)) => Ok(Told::Done),
        // A prepared branch does not go by itself, so it was committed before; rolled back by somebody it would say so.
        (Ask::Commit { .. }, Err(RequestRefused::TransactionNotActive { .. })) => Ok(Told::Done),
        (Ask::Commit { .. }, Err(RequestRefused::RolledBack { .. })) => Ok(Told::Heuristic(Heuristic::Rollback)),
        (Ask::Rollback { .. }, Err(refusal)) if is_gone(&refusal) => Ok(Told::Done),
        // Its leadership ended under the question.
        (_, Err(RequestRefused::Unknown)) => Err(CallFailed::TimedOut { resource: resource.clone() }),
        (_, Err(refusal)) => Err(refused(&refusal)),
        (_, Ok(answer)) => Err(refused(&format!("its answer does not fit: {answer:?}"))),
    }
}

fn of(coordinator: CoordinatorId, xids: Vec<Xid>) -> Vec<Xid> {
    let is_ours = |xid: &Xid| GlobalId::try_from(xid).is_ok_and(|id| id.coordinator == coordinator);
    xids.into_iter().filter(is_ours).collect()
}
