//! The gRPC service: sessions, and one-request calls for tools.

use std::sync::Arc;

use handfast_coordinator::drivers::{Drivers, Finding, Target};
use handfast_coordinator_core::{Answer as Coordinated, Identity, Request as Ask, ResourceView};
use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::{Gauge, ResourceKind, ResourceName};
use handfast_queue::manager;
use handfast_wire::v1;
use handfast_wire::v1::refusal::Code;
use tonic::{Status, Streaming};

use super::accounts::Accounts;
use super::answers::Answers;
use super::convert::{self, Asked};
use super::core_thread::Core;
use super::role::Role;
use super::session::{Peer, SessionIdentity, Sessions};

/// Registering and testing resources: the shell's part, before the coordinator's.
#[derive(Debug)]
pub struct Resources {
    core: Core,
    drivers: Arc<Drivers>,
    role: Role,
    pub accounts: Arc<Accounts>,
    pub identity: SessionIdentity,
}

impl Resources {
    pub fn new(accounts: Arc<Accounts>, drivers: Arc<Drivers>, identity: SessionIdentity, role: Role) -> Resources {
        Resources { core: accounts.core.clone(), drivers, role, accounts, identity }
    }

    /// What is asked, unless this server does not serve it.
    pub fn hear(&self, request: v1::Request) -> Result<Asked, Box<v1::Reply>> {
        let asked = convert::request(request).map_err(|malformed| Box::new(convert::malformed(&malformed)))?;
        match &asked {
            Asked::Machine(request) => match self.role.refusal(request) {
                Some(refusal) => Err(Box::new(refusal)),
                None => Ok(asked),
            },
            Asked::Hello(_)
            | Asked::KeepAlive
            | Asked::ShowServer
            | Asked::ShowStatus
            | Asked::AddResource { .. }
            | Asked::TestResource { .. } => Ok(asked),
        }
    }

    /// The reply to what the shell is asked itself.
    pub async fn answer(&self, asked: Asked) -> v1::Reply {
        match asked {
            Asked::AddResource { name, kind, address } => self.add(name, kind, &address).await,
            Asked::TestResource { name } => self.test(&name).await,
            Asked::ShowStatus => self.status().await,
            Asked::Machine(_) | Asked::Hello(_) | Asked::KeepAlive | Asked::ShowServer => {
                convert::refused(Code::NotHere, "this request needs a session")
            }
        }
    }

    async fn add(&self, name: ResourceName, kind: ResourceKind, address: &str) -> v1::Reply {
        let identity = match self.coordinator_identity().await {
            Ok(identity) => identity,
            Err(reply) => return reply,
        };
        let installed = self.drivers.install(kind, name, address, identity).await;
        let resource = match installed {
            Ok(installed) => installed.resource,
            Err(error) => return convert::refused(Code::Resource, error),
        };
        self.ask(Request::Coordinator(Ask::AddResource { resource })).await
    }

    async fn status(&self) -> v1::Reply {
        let Some(gauges) = self.accounts.gauges().await else { return convert::stopping() };
        let gauge = |Gauge { name, what, value, limit }: Gauge| v1::Gauge {
            name: name.to_owned(),
            what: what.to_owned(),
            value,
            limit,
        };
        let gauges = gauges.into_iter().map(gauge).collect();
        v1::Reply { answer: Some(v1::reply::Answer::Status(v1::Status { gauges })) }
    }

    async fn coordinator_identity(&self) -> Result<Identity, v1::Reply> {
        match self.core.identity().await {
            Ok(Some(identity)) => Ok(identity),
            Ok(None) => Err(convert::refusal(&Refusal::NotLeader)),
            Err(_) => Err(convert::stopping()),
        }
    }

    async fn test(&self, name: &ResourceName) -> v1::Reply {
        let view = match self.view(name).await {
            Ok(Some(view)) => view,
            Ok(None) => {
                let text = format!("resource {name} is not registered; see: handfast resource list");
                return convert::refused(Code::NotFound, text);
            }
            Err(reply) => return reply,
        };
        let mut findings = self.drivers.test(Target::Registered(&view.resource)).await;
        if let Some(problem) = view.problem {
            findings.push(Finding { ok: false, what: problem, remedy: None });
        }
        let finding = |finding: Finding| v1::Finding {
            ok: finding.ok,
            what: finding.what,
            remedy: finding.remedy.unwrap_or_default(),
        };
        let findings = findings.into_iter().map(finding).collect();
        v1::Reply { answer: Some(v1::reply::Answer::Findings(v1::Findings { findings })) }
    }

    async fn view(&self, name: &ResourceName) -> Result<Option<ResourceView>, v1::Reply> {
        match self.core.ask(Request::Coordinator(Ask::ListResources)).await {
            Ok(Ok(Answer::Coordinator(Coordinated::Resources(views)))) => {
                Ok(views.into_iter().find(|view| view.resource.name == *name))
            }
            Ok(Ok(_)) => Ok(None),
            Ok(Err(refusal)) => Err(convert::refusal(&refusal)),
            Err(_) => Err(convert::stopping()),
        }
    }

    /// One request outside any session.
    pub async fn ask(&self, request: Request) -> v1::Reply {
        let Ok(messages) = self.accounts.hold_messages(&request).await else { return convert::stopping() };
        match self.core.ask_holding(request, messages).await {
            Ok(Ok(answer)) => convert::reply(answer),
            Ok(Err(refusal)) => convert::refusal(&refusal),
            Err(_) => convert::stopping(),
        }
    }
}

/// The service `Handfast`.
#[derive(Debug)]
pub struct Service {
    pub sessions: Sessions,
}

#[tonic::async_trait]
impl v1::handfast_server::Handfast for Service {
    type SessionStream = Answers;

    async fn session(
        &self,
        request: tonic::Request<Streaming<v1::ClientFrames>>,
    ) -> Result<tonic::Response<Self::SessionStream>, Status> {
        let peer = Peer::at(request.remote_addr());
        Ok(tonic::Response::new(self.sessions.open(request.into_inner(), peer)))
    }

    async fn call(&self, request: tonic::Request<v1::Request>) -> Result<tonic::Response<v1::Reply>, Status> {
        let resources = Arc::clone(&self.sessions.resources);
        let peer = Peer::at(request.remote_addr());
        let reply = match resources.hear(request.into_inner()) {
            Ok(Asked::ShowServer) => resources.identity.server(peer),
            Ok(Asked::Machine(request)) if needs_connection(&request) => {
                convert::refused(Code::NotHere, "this request needs the lifetime of a session")
            }
            Ok(Asked::Machine(request)) => resources.ask(request).await,
            Ok(asked) => resources.answer(asked).await,
            Err(refused) => *refused,
        };
        Ok(tonic::Response::new(reply))
    }
}

/// Transactions, staged bodies and exclusive readers end with their connection, and a call has none.
fn needs_connection(request: &Request) -> bool {
    match request {
        Request::Queue(
            manager::Request::Start { .. }
            | manager::Request::StageBody { .. }
            | manager::Request::OpenExclusive { .. }
            | manager::Request::CloseExclusive { .. },
        )
        | Request::Coordinator(Ask::Begin { .. })
        | Request::BeginReceive { .. } => true,
        Request::Queue(_)
        | Request::Coordinator(_)
        | Request::SendCommit { .. }
        | Request::Rollback { .. }
        | Request::Attach { .. }
        | Request::Recover { .. }
        | Request::ListForeign { .. } => false,
    }
}
