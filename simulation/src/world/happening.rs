//! Everything that may happen next. Each is one step of a run, and a member may die before any of them.

use handfast_coordinator_core::{Ask, CallFailed, Resource, Told};
use handfast_machine::{Answer, Refusal, Request};

use super::links::Cut;
use super::{ClientId, FrameId, SessionId};
use crate::database::{Connection, Reply, Statement};
use crate::server::{Caller, Chore, Progress, ServerId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A request reaches its server.
    Frame {
        session: SessionId,
        frame: FrameId,
        ask: Request,
    },
    /// A sign of life reaches the server.
    KeepAlive {
        session: SessionId,
    },
    /// The server learns that its client is gone, when so many other things have happened.
    Disconnected {
        session: SessionId,
        after: u32,
    },
    /// An answer reaches its client.
    Answer {
        session: SessionId,
        frame: FrameId,
        answer: Result<Answer, Refusal>,
    },
    /// The client learns that its server is gone; or that it was not there at all.
    SessionLost {
        session: SessionId,
        was_there: bool,
    },
    Chore {
        server: ServerId,
        chore: Chore,
    },
    Tick {
        server: ServerId,
    },
    Barrier {
        server: ServerId,
        barrier: u64,
    },
    /// A question reaches its resource.
    Call {
        caller: Caller,
        resource: Resource,
        ask: Ask,
    },
    /// The queue manager has more to do before it can answer another coordinator's question.
    CallGoesOn {
        caller: Caller,
        ask: Ask,
        progress: Progress,
        request: Request,
    },
    /// Its answer reaches who asked.
    Called {
        /// The resource's name.
        from: &'static str,
        caller: Caller,
        result: Result<Told, CallFailed>,
    },
    /// A statement reaches the database.
    Statement {
        connection: Connection,
        statement: Statement,
    },
    /// Its answer reaches the client.
    Reply {
        connection: Connection,
        reply: Reply,
    },
    /// The database learns that a client is gone.
    HungUp {
        connection: Connection,
    },
    FlushDatabase,
    /// The end of a client's pause.
    Wake {
        client: ClientId,
        life: u64,
    },
    KeepAliveDue {
        client: ClientId,
        life: u64,
    },
    RestartServer {
        server: ServerId,
    },
    RestartDatabase,
    RestartClient {
        client: ClientId,
    },
    Resume {
        client: ClientId,
    },
    ResumeServer {
        server: ServerId,
    },
    Healed {
        cut: Cut,
    },
}

/// What keeps its order: a stream, or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    ToServer(SessionId),
    ToClient(SessionId),
    ToDatabase(Connection),
    FromDatabase(Connection),
    Log(ServerId),
}

impl Happening {
    /// `None`: it may overtake anything.
    pub fn lane(&self) -> Option<Lane> {
        Some(match self {
            Happening::Frame { session, .. }
            | Happening::KeepAlive { session }
            | Happening::Disconnected { session, .. } => Lane::ToServer(*session),
            Happening::Answer { session, .. } | Happening::SessionLost { session, .. } => Lane::ToClient(*session),
            Happening::Statement { connection, .. } | Happening::HungUp { connection } => Lane::ToDatabase(*connection),
            Happening::Reply { connection, .. } => Lane::FromDatabase(*connection),
            Happening::Chore { server, chore: Chore::Append | Chore::Sync } => Lane::Log(*server),
            Happening::Chore { .. }
            | Happening::Tick { .. }
            | Happening::Barrier { .. }
            | Happening::Call { .. }
            | Happening::CallGoesOn { .. }
            | Happening::Called { .. }
            | Happening::FlushDatabase
            | Happening::Wake { .. }
            | Happening::KeepAliveDue { .. }
            | Happening::RestartServer { .. }
            | Happening::RestartDatabase
            | Happening::RestartClient { .. }
            | Happening::Resume { .. }
            | Happening::ResumeServer { .. }
            | Happening::Healed { .. } => return None,
        })
    }

    /// Of the inside of this server: gone with its process.
    pub fn is_inside(&self, id: ServerId) -> bool {
        match self {
            Happening::Chore { server, .. } | Happening::Tick { server } | Happening::Barrier { server, .. } => {
                *server == id
            }
            Happening::Called { caller, .. } => caller.server == id,
            _ => false,
        }
    }
}
