//! A registered resource as the leader knows it: whether it may be used in this epoch, who uses it, and the calls to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use handfast_protocol::{GlobalId, Timestamp, Xid};

use super::calls::Deed;
use crate::limits::{IN_FLIGHT_MAX, SLOTS_RESERVED};
use crate::{CallFailed, Identity, RequestId, Resource};

#[derive(Debug)]
pub(super) struct Attachment {
    pub resource: Resource,
    pub link: Link,
    /// What it told when it was attached: how many branches it can hold prepared (P9).
    pub slots: Option<u32>,
    /// The last call failed so.
    pub problem: Option<CallFailed>,
    pub attach_attempts: u32,
    /// The operator said in this epoch that no other directory uses this database (P3).
    pub adopted: bool,
    /// Transactions that have joined it and are not done with it: each holds a slot at a two-phase resource.
    pub users: BTreeSet<GlobalId>,
    /// Enlists that wait for a slot, by ticket.
    pub waiting: BTreeMap<u64, Waiter>,
    /// Calls that wait until it is attached and another call ends.
    pub queue: VecDeque<Deed>,
    pub running: usize,
    /// Commits that a service has not been told, in the order of the decisions (P19).
    pub ordered: BTreeMap<u64, GlobalId>,
    /// The one of them that it is being told.
    pub telling: Option<GlobalId>,
    pub sweep: Sweep,
    /// Transactions whose row is being asked for: it must not be cleared under the question.
    pub fencing: BTreeSet<GlobalId>,
    pub markers: Markers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Asked, or to be asked again.
    Attaching,
    Attached,
    /// A later visitor was here, or none is known: nothing is done there before the operator says `adopt` (P3).
    Barred {
        found: Option<Identity>,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub id: GlobalId,
    pub request: RequestId,
}

/// The search for branches that nobody ends (P8).
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// When the scan that is under way was asked for.
    pub scanning_since: Option<Timestamp>,
    /// Branches that the last scan saw and that no live transaction owns, by when they were seen first.
    pub seen: BTreeMap<Xid, Timestamp>,
    /// Those that are being ended.
    pub ending: BTreeSet<Xid>,
    /// A barrier is awaited for some of them.
    pub at_barrier: bool,
    /// Branches of other incarnations, never touched before `adopt` (P3).
    pub foreign: usize,
    /// Branches of later epochs, never touched (P8).
    pub later: usize,
}

/// The clearing of marker rows (P14).
#[derive(Debug, Default)]
pub(super) struct Markers {
    /// Transactions that have joined the resource and have not ended, here or anywhere.
    pub unended: BTreeSet<GlobalId>,
    /// Transactions have ended since a range was drawn.
    pub due: bool,
    /// Up to where the next clearing goes.
    pub drawn: Option<GlobalId>,
    pub clearing: bool,
}

impl Attachment {
    pub fn new(resource: Resource) -> Attachment {
        Attachment {
            resource,
            link: Link::Attaching,
            slots: None,
            problem: None,
            attach_attempts: 0,
            adopted: false,
            users: BTreeSet::new(),
            waiting: BTreeMap::new(),
            queue: VecDeque::new(),
            running: 0,
            ordered: BTreeMap::new(),
            telling: None,
            sweep: Sweep::default(),
            fencing: BTreeSet::new(),
            markers: Markers::default(),
        }
    }

    /// Whether one more branch may be in flight (P9). Branches that wait for the sweep hold slots as well.
    pub fn has_slot(&self) -> bool {
        let limit = self.slots.map_or(IN_FLIGHT_MAX, |slots| slots - SLOTS_RESERVED.min(slots / 2));
        let strays = self.sweep.seen.len() + self.sweep.foreign + self.sweep.later;
        self.users.len() + strays < usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Another database stands at the address, or none can be reached (P16).
    pub fn failure(&self) -> CallFailed {
        let unheard = || CallFailed::TimedOut { resource: self.resource.name.clone() };
        self.problem.clone().unwrap_or_else(unheard)
    }

    /// What the operator should know, with the remedy; `None` when all is well.
    pub fn problem_text(&self) -> Option<String> {
        let name = &self.resource.name;
        match self.link {
            Link::Barred { found: Some(found) } => Some(format!(
                "incarnation {:016x}, epoch {} of this coordinator used it later than this directory knows; if this \
                 directory is not a copy, say: handfast resource adopt {name}",
                found.incarnation.0, found.epoch
            )),
            Link::Barred { found: None } => Some(format!(
                "the database does not know this coordinator: it was restored, or this directory is a copy; if not, say: \
                 handfast resource adopt {name}"
            )),
            Link::Attaching => {
                Some(self.problem.as_ref().map_or_else(|| "it has not answered yet".to_owned(), CallFailed::to_string))
            }
            Link::Attached => self.problem.as_ref().map(CallFailed::to_string).or_else(|| self.strays_text()),
        }
    }

    fn strays_text(&self) -> Option<String> {
        let Sweep { foreign, later, .. } = self.sweep;
        let name = &self.resource.name;
        (foreign + later > 0).then(|| {
            format!(
                "{foreign} branches are prepared there by another incarnation of this coordinator, {later} by a later epoch; \
                 they are left alone. If no other copy of this directory runs, say: handfast resource adopt {name}"
            )
        })
    }
}

/// Whether a failure means that the resource itself is not there: only then may an operator decide without it (P16).
pub(super) fn is_gone(failure: &CallFailed) -> bool {
    match failure {
        CallFailed::Unreachable { .. } | CallFailed::WrongResource { .. } => true,
        CallFailed::TimedOut { .. } | CallFailed::Refused { .. } => false,
    }
}
