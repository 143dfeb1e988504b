//! The driver of a service: one connection that all calls share.

use async_trait::async_trait;
use handfast_coordinator_core::{Ask, CallFailed, Identity, Resource, Told};
use handfast_protocol::{CoordinatorId, GlobalId, Heuristic, Incarnation, PrepareVote, Xid};
use handfast_wire::Malformed;
use handfast_wire::v1;
use handfast_wire::v1::attach_reply::Kind;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::info;

use super::connection::{Approach, Client, attach, connect, resource_id};
use crate::drivers::Driver;
use crate::drivers::failure::Failure;
use crate::drivers::limits::{CALL_TIMEOUT, SCAN_BRANCHES, SCAN_PAGE};

#[derive(Debug)]
pub struct Service {
    resource: Resource,
    /// Held while connecting, so that calls which find no connection wait for one instead of each making its own. Never held
    /// during a call.
    link: Mutex<Link>,
}

#[derive(Debug, Default)]
struct Link {
    /// Checked, and believed to work.
    client: Option<Client>,
    /// Counts connections, so that a late failure of an older one does not close a newer one.
    made: u64,
    /// As whom the core attached last: what a new connection presents itself with.
    identity: Option<Identity>,
}

impl Service {
    pub fn new(resource: &Resource) -> Service {
        Service { resource: resource.clone(), link: Mutex::new(Link::default()) }
    }

    async fn answer(&self, ask: Ask) -> Result<Told, Failure> {
        let not_its_part = |ask| Err(Failure::NotItsPart { kind: self.resource.kind, ask });
        match ask {
            Ask::Attach { identity, adopt } => self.attach(identity, adopt).await,
            Ask::Scan { coordinator } => self.over(|client| scan(client, coordinator)).await,
            Ask::Prepare { xid } => self.over(|client| prepare(client, xid)).await,
            Ask::Commit { xid } => self.over(|client| commit(client, xid)).await,
            Ask::Rollback { xid } => self.over(|client| rollback(client, xid)).await,
            Ask::Forget { xid } => self.over(|client| forget(client, xid)).await,
            Ask::Fence { .. } => not_its_part("fence"),
            Ask::ClearMarkers { .. } => not_its_part("clearing of marker rows"),
        }
    }

    /// Asks over a connection that was checked. One that breaks or falls silent is not used again: a peer that is gone
    /// without a word would keep it open for a quarter of an hour.
    async fn over<A>(&self, ask: impl FnOnce(Client) -> A) -> Result<Told, Failure>
    where
        A: Future<Output = Result<Told, Failure>>,
    {
        let (client, made) = self.connected().await?;
        let told = ask(client).await;
        let lost = |failure: &Failure| failure.is_loss_of_connection() || failure.is_silence();
        if told.as_ref().is_err_and(lost) {
            self.disconnect(made).await;
        }
        told
    }

    /// P3, for the core: on a fresh connection, since the operator may have exchanged the service.
    async fn attach(&self, identity: Identity, adopt: bool) -> Result<Told, Failure> {
        let mut link = self.link.lock().await;
        *link = Link { made: link.made + 1, ..Link::default() };
        let mut client = connect(&self.resource.address).await?;
        let approach = if adopt { Approach::Adopt } else { Approach::Again };
        let reply = attach(&mut client, identity, approach).await?;
        self.check(&reply)?;
        match kind(&reply)? {
            Kind::Attached => {
                link.client = Some(client);
                link.identity = Some(identity);
                Ok(Told::Attached { slots: reply.slots })
            }
            Kind::UnknownCoordinator => Ok(Told::UnknownCoordinator),
            Kind::Ahead => {
                let incarnation = Incarnation(reply.found_incarnation);
                let found = Identity { incarnation, epoch: reply.found_epoch, ..identity };
                Ok(Told::Ahead { found })
            }
        }
    }

    /// A connection to the service that was added, which let us in.
    async fn connected(&self) -> Result<(Client, u64), Failure> {
        let mut link = self.link.lock().await;
        if let Some(client) = &link.client {
            return Ok((client.clone(), link.made));
        }
        let identity = link.identity.ok_or(Failure::NotAttached)?;
        let mut client = connect(&self.resource.address).await?;
        let reply = attach(&mut client, identity, Approach::Again).await?;
        self.check(&reply)?;
        match kind(&reply)? {
            Kind::Attached => {}
            Kind::Ahead | Kind::UnknownCoordinator => return Err(Failure::NotAttached),
        }
        link.made += 1;
        link.client = Some(client.clone());
        Ok((client, link.made))
    }

    async fn disconnect(&self, made: u64) {
        let mut link = self.link.lock().await;
        if link.made == made {
            link.client = None;
        }
    }

    fn check(&self, reply: &v1::AttachReply) -> Result<(), Failure> {
        let found = resource_id(reply)?;
        match found == self.resource.resource_id {
            true => Ok(()),
            false => Err(Failure::WrongResource { found: Some(found) }),
        }
    }
}

#[async_trait]
impl Driver for Service {
    async fn call(&self, ask: Ask) -> Result<Told, CallFailed> {
        let answer = timeout(CALL_TIMEOUT, self.answer(ask)).await.unwrap_or(Err(Failure::TimedOut));
        answer.map_err(|failure| failure.at(&self.resource))
    }
}

async fn prepare(mut client: Client, xid: Xid) -> Result<Told, Failure> {
    let reply = client.prepare(v1::PrepareRequest { xid: Some((&xid).into()) }).await?.into_inner();
    let vote = v1::PrepareVote::try_from(reply.vote).map_err(|_| Malformed::Vote(reply.vote))?;
    let vote = PrepareVote::try_from(vote)?;
    if vote == PrepareVote::Rollback {
        info!(%xid, reason = reply.reason, "the service voted to roll back");
    }
    Ok(Told::Voted(vote))
}

async fn commit(mut client: Client, xid: Xid) -> Result<Told, Failure> {
    let reply = client.commit(v1::CommitRequest { xid: Some((&xid).into()) }).await?.into_inner();
    ended(reply.heuristic)
}

async fn rollback(mut client: Client, xid: Xid) -> Result<Told, Failure> {
    let reply = client.rollback(v1::RollbackRequest { xid: Some((&xid).into()) }).await?.into_inner();
    ended(reply.heuristic)
}

async fn forget(mut client: Client, xid: Xid) -> Result<Told, Failure> {
    client.forget(v1::ForgetRequest { xid: Some((&xid).into()) }).await?;
    Ok(Told::Done)
}

/// D9, page by page. What does not bear the coordinator's identity is not reported, whatever the service says.
async fn scan(mut client: Client, coordinator: CoordinatorId) -> Result<Told, Failure> {
    let identity = coordinator.0.as_bytes().to_vec();
    let (mut xids, mut after) = (Vec::new(), None);
    while xids.len() < SCAN_BRANCHES {
        let request = v1::RecoverRequest { coordinator: identity.clone().into(), after, limit: SCAN_PAGE };
        let page = client.recover(request).await?.into_inner().xids;
        let last = page.len() < SCAN_PAGE as usize;
        after = page.last().cloned();
        for xid in page {
            let xid = Xid::try_from(xid)?;
            if GlobalId::try_from(&xid).is_ok_and(|id| id.coordinator == coordinator) {
                xids.push(xid);
            }
        }
        if last {
            break;
        }
    }
    Ok(Told::Scanned(xids))
}

fn ended(heuristic: i32) -> Result<Told, Failure> {
    let known = v1::Heuristic::try_from(heuristic).map_err(|_| Failure::UnknownAnswer { value: heuristic })?;
    Ok(Option::<Heuristic>::from(known).map_or(Told::Done, Told::Heuristic))
}

fn kind(reply: &v1::AttachReply) -> Result<Kind, Failure> {
    Kind::try_from(reply.kind).map_err(|_| Failure::UnknownAnswer { value: reply.kind })
}
