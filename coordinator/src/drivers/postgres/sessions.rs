//! The connections to one PostgreSQL resource: opened as they are needed, a bounded number, reused while nothing went wrong.

use std::sync::{Mutex, PoisonError};

use handfast_coordinator_core::Resource;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::session::Session;
use crate::drivers::failure::Failure;
use crate::drivers::limits::{SESSION_IDLE, SESSIONS_PER_RESOURCE};
use crate::drivers::secrets::Secrets;

#[derive(Debug)]
pub struct Sessions {
    resource: Resource,
    secrets: Secrets,
    room: Semaphore,
    /// The one used last is on top, so that those that a quiet hour does not need age. Locked for a push or a pop, never
    /// over an await.
    idle: Mutex<Vec<Session>>,
}

/// A session in one caller's hands. It is closed when this is dropped, unless [`Lease::give_back`] says that it is sound.
#[derive(Debug)]
pub struct Lease<'a> {
    pub session: Session,
    home: &'a Sessions,
    _room: SemaphorePermit<'a>,
}

impl Sessions {
    pub fn new(resource: &Resource, secrets: &Secrets) -> Sessions {
        Sessions {
            resource: resource.clone(),
            secrets: secrets.clone(),
            room: Semaphore::new(SESSIONS_PER_RESOURCE),
            idle: Mutex::new(Vec::new()),
        }
    }

    pub async fn take(&self) -> Result<Lease<'_>, Failure> {
        let room = self.room.acquire().await.expect("the semaphore is never closed");
        let idle = self.pop();
        let session = match idle {
            Some(session) => session,
            None => Session::open(&self.resource, &self.secrets).await?,
        };
        Ok(Lease { session, home: self, _room: room })
    }

    /// The server was lost or exchanged: what is idle is connected to what is no longer there.
    pub fn discard_idle(&self) {
        self.lock().clear();
    }

    fn pop(&self) -> Option<Session> {
        let mut idle = self.lock();
        idle.retain(|session| session.is_fresh(SESSION_IDLE));
        idle.pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease<'_> {
    /// The session did what it was told to the end: the next caller may have it.
    pub fn give_back(self) {
        let mut session = self.session;
        session.set_idle();
        self.home.lock().push(session);
    }
}
