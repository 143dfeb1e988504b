//! A queue manager as a resource of another coordinator: the questions of `ResourceManager` as requests to the machine, and what
//! the answers mean, as the real server and the real driver have it between them.

use handfast_coordinator_core::{Ask, CallFailed, Identity, Told};
use handfast_machine::participant::{NoVote, ended_before, prepare_refused};
use handfast_machine::{Answer, Approach, Attached, Refusal, Request, Visit};
use handfast_protocol::{CoordinatorId, GlobalId, Outcome, PrepareVote, Xid};
use handfast_queue::manager::{self, RequestRefused};

use crate::limits::SCAN_PAGE;
use crate::names;

/// How far the answer to a question has come that takes several requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Begun,
    /// A branch that cannot be prepared is rolled back before the vote says so.
    RollingBack,
    /// Prepared branches of the pages so far.
    Scanned(Vec<Xid>),
}

/// What follows from the answer to a request.
#[derive(Debug)]
pub enum Next {
    Told(Result<Told, CallFailed>),
    Request(Request, Progress),
}

/// The first request that a question needs. `None`: nobody asks a queue manager that.
pub fn asked_of_queues(ask: &Ask) -> Option<Request> {
    let verb = match ask {
        Ask::Prepare { xid } => manager::Request::Prepare { xid: xid.clone() },
        Ask::Commit { xid } => manager::Request::Commit { xid: xid.clone(), one_phase: false },
        Ask::Rollback { xid } => manager::Request::Rollback { xid: xid.clone(), blame: None },
        Ask::Forget { xid } => manager::Request::Forget { xid: xid.clone() },
        Ask::Scan { coordinator } => return Some(recover(*coordinator, None)),
        Ask::Attach { identity, adopt } => {
            let approach = if *adopt { Approach::Adopt } else { Approach::Again };
            return Some(Request::Attach { visitor: *identity, approach });
        }
        Ask::Fence { .. } | Ask::ClearMarkers { .. } => return None,
    };
    Some(Request::Queue(verb))
}

fn recover(coordinator: CoordinatorId, after: Option<Xid>) -> Request {
    Request::Recover { coordinator, after, limit: SCAN_PAGE }
}

/// What the answer to a request means to who asked.
pub fn next(ask: &Ask, progress: Progress, answer: Result<Answer, Refusal>) -> Next {
    if progress == Progress::RollingBack {
        return Next::Told(Ok(Told::Voted(PrepareVote::Rollback)));
    }
    match (ask, answer) {
        (_, Err(Refusal::NotLeader)) => {
            let cause = "the server is starting".to_owned();
            Next::Told(Err(CallFailed::Unreachable { resource: names::queues(), cause }))
        }
        // Its leadership ended under the question.
        (_, Err(Refusal::Queue(RequestRefused::Unknown))) => {
            Next::Told(Err(CallFailed::TimedOut { resource: names::queues() }))
        }
        (Ask::Prepare { .. }, Ok(Answer::Queue(manager::Answer::Voted(vote)))) => Next::Told(Ok(Told::Voted(vote))),
        (Ask::Prepare { xid }, Err(Refusal::Queue(refused))) => match prepare_refused(&refused) {
            NoVote::RolledBack => Next::Told(Ok(Told::Voted(PrepareVote::Rollback))),
            NoVote::RollBackFirst => {
                let rollback = manager::Request::Rollback { xid: xid.clone(), blame: None };
                Next::Request(Request::Queue(rollback), Progress::RollingBack)
            }
            NoVote::Unknown => Next::Told(Err(refused_by(&refused))),
        },
        (Ask::Commit { .. }, Err(Refusal::Queue(refused))) => Next::Told(ended(Outcome::Committed, &refused)),
        (Ask::Rollback { .. }, Err(Refusal::Queue(refused))) => Next::Told(ended(Outcome::RolledBack, &refused)),
        (Ask::Commit { .. } | Ask::Rollback { .. } | Ask::Forget { .. }, Ok(_)) => Next::Told(Ok(Told::Done)),
        (Ask::Scan { coordinator }, Ok(Answer::Recovered(page))) => scanned(*coordinator, progress, page),
        (Ask::Attach { identity, .. }, Ok(Answer::Attached(attached))) => Next::Told(let_in(*identity, attached)),
        (_, Err(refusal)) => Next::Told(Err(refused_by(&refusal))),
        (_, Ok(answer)) => panic!("{answer:?} does not answer {ask:?}"),
    }
}

fn refused_by(refusal: &dyn std::fmt::Display) -> CallFailed {
    CallFailed::Refused { resource: names::queues(), cause: refusal.to_string() }
}

fn ended(told: Outcome, refused: &RequestRefused) -> Result<Told, CallFailed> {
    match ended_before(told, refused) {
        Some(ended) => Ok(ended.map_or_else(Told::Heuristic, |()| Told::Done)),
        None => Err(refused_by(refused)),
    }
}

/// D9, page by page.
fn scanned(coordinator: CoordinatorId, progress: Progress, page: Vec<Xid>) -> Next {
    let (is_last, after) = (page.len() < SCAN_PAGE, page.last().cloned());
    let mut found = if let Progress::Scanned(found) = progress { found } else { Vec::new() };
    let is_ours = |xid: &Xid| GlobalId::try_from(xid).is_ok_and(|id| id.coordinator == coordinator);
    found.extend(page.into_iter().filter(is_ours));
    if is_last {
        Next::Told(Ok(Told::Scanned(found)))
    } else {
        Next::Request(recover(coordinator, after), Progress::Scanned(found))
    }
}

/// P3.
fn let_in(identity: Identity, attached: Attached) -> Result<Told, CallFailed> {
    match attached {
        Attached::Recorded => Ok(Told::Attached { slots: None }),
        Attached::Ahead(Visit { incarnation, epoch }) => {
            Ok(Told::Ahead { found: Identity { incarnation, epoch, ..identity } })
        }
        Attached::Unknown => Ok(Told::UnknownCoordinator),
        Attached::TooMany => Err(refused_by(&"too many coordinators have attached")),
    }
}
