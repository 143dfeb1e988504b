//! The gRPC service `ResourceManager`: this queue manager as a participant of other coordinators (XA+ 2.3). Each call is one
//! request to the machine; nothing is kept here.

use handfast_coordinator_core::Identity;
use handfast_machine::participant::{self, NoVote};
use handfast_machine::{Answer, Approach, Attached, Refusal, Request, Visit};
use handfast_protocol::{CoordinatorId, Incarnation, Outcome, PrepareVote, Xid};
use handfast_queue::manager;
use handfast_queue::manager::RequestRefused;
use handfast_wire::v1;
use handfast_wire::v1::attach_reply::Kind;
use handfast_wire::v1::resource_manager_server::ResourceManager;
use tonic::{Response, Status};
use uuid::Uuid;

use super::core_thread::Core;

#[derive(Debug)]
pub struct Participant {
    core: Core,
    /// The id that coordinators compare at every connect (P3): the queue manager's own.
    resource_id: Uuid,
}

impl Participant {
    pub fn new(core: Core, resource_id: Uuid) -> Participant {
        Participant { core, resource_id }
    }

    async fn ask(&self, request: Request) -> Result<Result<Answer, Refusal>, Status> {
        self.core.ask(request).await.map_err(|stopped| Status::unavailable(stopped.to_string()))
    }

    async fn ask_queues(&self, ask: manager::Request) -> Result<Result<manager::Answer, RequestRefused>, Status> {
        match self.ask(Request::Queue(ask)).await? {
            Ok(Answer::Queue(answer)) => Ok(Ok(answer)),
            Err(Refusal::Queue(refused)) => Ok(Err(refused)),
            Ok(other) => Err(Status::internal(format!("not an answer of the queues: {other:?}"))),
            Err(refusal) => Err(failed(&refusal)),
        }
    }

    /// A vote to roll back has rolled back: the coordinator does not come again for it.
    async fn vote_to_roll_back(&self, xid: Xid, refused: RequestRefused) -> Result<v1::PrepareReply, Status> {
        match participant::prepare_refused(&refused) {
            NoVote::RolledBack => {}
            NoVote::Unknown => return Err(unknown(&refused)),
            NoVote::RollBackFirst => drop(self.ask_queues(manager::Request::Rollback { xid, blame: None }).await?),
        }
        Ok(vote(PrepareVote::Rollback, refused.to_string()))
    }
}

fn vote(vote: PrepareVote, reason: String) -> v1::PrepareReply {
    v1::PrepareReply { vote: v1::PrepareVote::from(vote).into(), reason }
}

fn ended(told: Outcome, answer: Result<manager::Answer, RequestRefused>) -> Result<Response<v1::EndReply>, Status> {
    let heuristic = match answer {
        Ok(_) => None,
        Err(refusal) => match participant::ended_before(told, &refusal) {
            Some(ended) => ended.err(),
            None => return Err(refused(&refusal)),
        },
    };
    Ok(Response::new(v1::EndReply { heuristic: v1::Heuristic::from(heuristic).into() }))
}

/// The server starts, or the refusal is for good.
fn failed(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::NotLeader => Status::unavailable(refusal.to_string()),
        _ => Status::failed_precondition(refusal.to_string()),
    }
}

/// It may have happened; asked again it is answered.
fn unknown(refused: &RequestRefused) -> Status {
    Status::aborted(refused.to_string())
}

fn refused(refused: &RequestRefused) -> Status {
    match refused {
        RequestRefused::Unknown => unknown(refused),
        _ => Status::failed_precondition(refused.to_string()),
    }
}

#[allow(clippy::result_large_err, reason = "a status is tonic's, and is sent at once")]
fn xid(wire: Option<v1::Xid>) -> Result<Xid, Status> {
    let xid = wire.ok_or_else(|| Status::invalid_argument("field xid is missing"))?;
    xid.try_into().map_err(|malformed: handfast_wire::Malformed| Status::invalid_argument(malformed.to_string()))
}

#[allow(clippy::result_large_err, reason = "a status is tonic's, and is sent at once")]
fn coordinator(bytes: &[u8]) -> Result<CoordinatorId, Status> {
    let id = Uuid::from_slice(bytes);
    id.map(CoordinatorId).map_err(|_| Status::invalid_argument("a coordinator's id has 16 bytes"))
}

#[tonic::async_trait]
impl ResourceManager for Participant {
    /// A branch that is not known here, or was rolled back, never commits: the vote says so (P5).
    async fn prepare(&self, request: tonic::Request<v1::PrepareRequest>) -> Result<Response<v1::PrepareReply>, Status> {
        let xid = xid(request.into_inner().xid)?;
        let reply = match self.ask_queues(manager::Request::Prepare { xid: xid.clone() }).await? {
            Ok(manager::Answer::Voted(voted)) => vote(voted, String::new()),
            Ok(other) => return Err(Status::internal(format!("not an answer to prepare: {other:?}"))),
            Err(refused) => self.vote_to_roll_back(xid, refused).await?,
        };
        Ok(Response::new(reply))
    }

    async fn commit(&self, request: tonic::Request<v1::CommitRequest>) -> Result<Response<v1::EndReply>, Status> {
        let xid = xid(request.into_inner().xid)?;
        let answer = self.ask_queues(manager::Request::Commit { xid, one_phase: false }).await?;
        ended(Outcome::Committed, answer)
    }

    async fn rollback(&self, request: tonic::Request<v1::RollbackRequest>) -> Result<Response<v1::EndReply>, Status> {
        let xid = xid(request.into_inner().xid)?;
        let answer = self.ask_queues(manager::Request::Rollback { xid, blame: None }).await?;
        ended(Outcome::RolledBack, answer)
    }

    async fn recover(&self, request: tonic::Request<v1::RecoverRequest>) -> Result<Response<v1::RecoverReply>, Status> {
        let v1::RecoverRequest { coordinator: id, after, limit } = request.into_inner();
        let coordinator = coordinator(&id)?;
        let after = after.map(|after| xid(Some(after))).transpose()?;
        match self.ask(Request::Recover { coordinator, after, limit: limit as usize }).await? {
            Ok(Answer::Recovered(xids)) => {
                Ok(Response::new(v1::RecoverReply { xids: xids.iter().map(v1::Xid::from).collect() }))
            }
            Ok(other) => Err(Status::internal(format!("not an answer to recover: {other:?}"))),
            Err(refusal) => Err(failed(&refusal)),
        }
    }

    async fn forget(&self, request: tonic::Request<v1::ForgetRequest>) -> Result<Response<v1::ForgetReply>, Status> {
        let xid = xid(request.into_inner().xid)?;
        match self.ask_queues(manager::Request::Forget { xid }).await? {
            Ok(_) => Ok(Response::new(v1::ForgetReply {})),
            Err(other) => Err(refused(&other)),
        }
    }

    async fn attach(&self, request: tonic::Request<v1::AttachRequest>) -> Result<Response<v1::AttachReply>, Status> {
        let v1::AttachRequest { coordinator: id, incarnation, epoch, adopt, first } = request.into_inner();
        let visitor = Identity { coordinator: coordinator(&id)?, incarnation: Incarnation(incarnation), epoch };
        let approach = match (adopt, first) {
            (true, _) => Approach::Adopt,
            (false, true) => Approach::First,
            (false, false) => Approach::Again,
        };
        let (kind, found) = match self.ask(Request::Attach { visitor, approach }).await? {
            Ok(Answer::Attached(Attached::Recorded)) => (Kind::Attached, None),
            Ok(Answer::Attached(Attached::Ahead(found))) => (Kind::Ahead, Some(found)),
            Ok(Answer::Attached(Attached::Unknown)) => (Kind::UnknownCoordinator, None),
            Ok(Answer::Attached(Attached::TooMany)) => {
                let text = "as many coordinators as this queue manager remembers have attached to it; use one of them";
                return Err(Status::resource_exhausted(text));
            }
            Ok(other) => return Err(Status::internal(format!("not an answer to attach: {other:?}"))),
            Err(refusal) => return Err(failed(&refusal)),
        };
        Ok(Response::new(v1::AttachReply {
            kind: kind.into(),
            resource_id: self.resource_id.into_bytes().to_vec().into(),
            found_incarnation: found.map_or(0, |Visit { incarnation, .. }| incarnation.0),
            found_epoch: found.map_or(0, |Visit { epoch, .. }| epoch),
            // Its memory bounds branches while they are active; on disk there is room for more than any coordinator has.
            slots: None,
        }))
    }
}
