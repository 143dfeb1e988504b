//! Links that are cut for a while, one way or both: nobody dies, and whoever looks at the other end hears nothing of it.
//!
//! A stream keeps what is on its way until the link is whole again, or breaks then. A question to a resource, or its answer, is
//! lost: who asked is told that its time is over. A link heals by itself.

use handfast_coordinator_core::CallFailed;

use super::happening::{Happening, Lane};
use super::{ClientId, SessionId, World};
use crate::limits::{AWAY, CALL_TIMEOUT};
use crate::names;
use crate::plan::{Back, Messages};
use crate::probes::Probe;
use crate::server::ServerId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// From the coordinator, which is a server of its own, to the queue manager.
    Queues,
    /// From the coordinator to the database.
    Database,
    Server(ClientId, ServerId),
}

/// Which way nothing comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    There,
    Back,
    Both,
}

/// A link while it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub link: Link,
    pub direction: Direction,
    /// Its streams do not live through it.
    pub breaks: bool,
}

impl World {
    /// Every link of the scene.
    pub(super) fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        if self.plan.scene.way.is_standalone() {
            links.push(Link::Queues);
        }
        // SQLite is on its server's host.
        if self.database.is_some() && !self.is_sqlite() {
            links.push(Link::Database);
        }
        for (at, desk) in self.desks.iter().enumerate() {
            links.extend(desk.links.keys().map(|server| Link::Server(ClientId(at), *server)));
        }
        links
    }

    pub(super) fn cut(&mut self, cut: Cut, seconds: u64) {
        if self.cuts.iter().any(|(other, _)| other.link == cut.link) {
            return;
        }
        let heals = self.now.after(AWAY.min(std::time::Duration::from_secs(seconds)));
        self.note(|| format!("      {cut:?}"));
        self.probes[Probe::Cuts] += 1;
        let name = self.behind(cut.link);
        self.goes_away(&name);
        self.last_trouble = self.last_trouble.max(heals);
        self.cuts.push((cut, heals));
        self.push_at(heals, Happening::Healed { cut });
    }

    pub(super) fn heal(&mut self, cut: Cut) {
        self.cuts.retain(|(other, _)| *other != cut);
        if let Link::Server(client, server) = cut.link
            && let Some(broken) = self.desks[client.0].links.get(&server).copied().filter(|_| cut.breaks)
        {
            self.break_session(broken, Messages::Lost, Back::AtOnce);
        }
        if self.is_well(cut.link) {
            let name = self.behind(cut.link);
            self.is_back(&name);
        }
    }

    /// Who comes back to a cut link is not there yet.
    pub(super) fn is_behind_cut(&self, process: &str) -> bool {
        self.cuts.iter().any(|(cut, _)| self.behind(cut.link) == process)
    }

    /// It was the cut alone that kept it away.
    fn is_well(&self, link: Link) -> bool {
        match link {
            Link::Queues => {
                let id = ServerId::Coordinator;
                let is_up = self.servers[&id].process.is_some();
                is_up && !self.starting.contains(&id) && !self.stalled.contains(&id)
            }
            Link::Database => self.database.as_ref().is_some_and(|database| database.is_up),
            Link::Server(client, _) => {
                let desk = &self.desks[client.0];
                desk.is_up && !desk.is_paused
            }
        }
    }

    /// Whoever depends on this one waits; who depends on the other end alone does not (A24).
    fn behind(&self, link: Link) -> String {
        match link {
            Link::Queues => ServerId::Coordinator.name().to_owned(),
            Link::Database => names::LEDGER.to_owned(),
            Link::Server(client, _) => self.client_name(client),
        }
    }

    /// A message of a stream that waits for its link.
    pub(super) fn is_cut_off(&self, happening: &Happening) -> bool {
        let of = |session: SessionId| self.sessions.get(&session).map(|of| Link::Server(of.client, of.server));
        match happening.lane() {
            Some(Lane::ToServer(session)) => {
                of(session).is_some_and(|link| self.is_cut(link, Direction::There).is_some())
            }
            Some(Lane::ToClient(session)) => {
                of(session).is_some_and(|link| self.is_cut(link, Direction::Back).is_some())
            }
            _ => false,
        }
    }

    fn is_cut(&self, link: Link, direction: Direction) -> Option<handfast_protocol::Timestamp> {
        let blocks = |cut: &Cut| cut.link == link && (cut.direction == Direction::Both || cut.direction == direction);
        self.cuts.iter().find(|(cut, _)| blocks(cut)).map(|(_, heals)| *heals)
    }

    /// A question or an answer goes into a cut: it is lost, and who asked is told so in its time.
    pub(super) fn lost_in_cut(&mut self, happening: &Happening) -> bool {
        let (caller, from, direction) = match happening {
            Happening::Call { caller, resource, .. } => (*caller, names::of(resource), Direction::There),
            Happening::Called { caller, from, result: Ok(_) } => (*caller, *from, Direction::Back),
            _ => return false,
        };
        let link = if from == names::QUEUES { Link::Queues } else { Link::Database };
        let Some(heals) = self.is_cut(link, direction).filter(|_| caller.server == self.coordinator()) else {
            return false;
        };
        let resource = if from == names::QUEUES { names::queues() } else { names::ledger() };
        let result = Err(CallFailed::TimedOut { resource });
        self.probes[Probe::CallsCutOff] += 1;
        let at = self.now.after(CALL_TIMEOUT).min(heals);
        self.push_at(at, Happening::Called { from, caller, result });
        true
    }
}
