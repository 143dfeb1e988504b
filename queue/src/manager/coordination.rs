//! What a coordinator beside the manager uses: it embeds the work of its own branches in commands of its own, one log entry
//! for the decision and the queues' part of it (design D8).

use handfast_protocol::{RollbackReason, Timestamp, Xid};
use handfast_store::{Store, StoreError};

use super::applied::SOME_DEAD;
use super::branch::Phase;
use super::ending::Told;
use super::limits::EXPIRY_NOTICE;
use super::turn::Turn;
use super::window::Entry;
use super::{Action, ConnectionId, Manager, NewMessage, RequestRefused, Resolved};
use crate::state::State;
use crate::{Blame, MessageKey, Work};

impl Manager {
    /// The branch is known here, and nothing decides about it yet.
    pub fn is_active(&self, xid: &Xid) -> bool {
        self.branches.find(xid).is_some_and(|(_, branch)| branch.phase.is_undecided())
    }

    /// How many messages an active branch has received and locks.
    pub fn locked_by(&self, xid: &Xid) -> Option<usize> {
        self.branches.find(xid).map(|(_, branch)| branch.locked().count())
    }

    /// Freezes an active branch and hands out its work, for a command that the caller proposes; nothing joins it any more and
    /// its timeout is over, but its locks stay until [`Manager::resolved`] or [`Manager::rollback`]. Empty work needs no
    /// command. A branch that is gone: why.
    pub fn end(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        xid: &Xid,
        out: &mut Vec<Action>,
    ) -> Result<Work, RollbackReason> {
        let Ok((id, branch)) = self.branches.active(xid) else {
            return Err(self.branches.reason(xid).cloned().unwrap_or(RollbackReason::EpochEnded));
        };
        let work = branch.take_work();
        self.freeze(&mut Turn { state, store, now, out }, id, Phase::Ended);
        Ok(work)
    }

    /// Adds messages to an active branch, as a request of its own does.
    #[allow(clippy::too_many_arguments, reason = "the step's four, and the request's three")]
    pub fn send_in(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        connection: ConnectionId,
        xid: &Xid,
        messages: Vec<NewMessage>,
        out: &mut Vec<Action>,
    ) -> Result<Result<(), RequestRefused>, StoreError> {
        let mut turn = Turn { state, store, now, out };
        self.resume_deletes(&mut turn);
        let sent = self.send_in_branch(&mut turn, connection, xid, messages);
        self.round_off(&mut turn)?;
        Ok(sent.map(drop))
    }

    /// The command that carried a frozen branch's work was applied, or refused.
    pub fn resolved(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        xid: &Xid,
        how: Resolved,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut turn = Turn { state, store, now, out };
        let (id, branch) = self.branches.find(xid).expect("only a frozen branch is resolved");
        assert_eq!(branch.phase, Phase::Ended, "branch {xid} is resolved by who ended it");
        match how {
            Resolved::Committed(places) => {
                self.branch_done(id);
                places.into_iter().for_each(|key| self.arrive(&turn, key, Entry::Fresh));
            }
            Resolved::Prepared => self.branch_done(id),
            Resolved::RolledBack => self.roll_back(&mut turn, id, RollbackReason::Conflict, None, Told::Nobody),
        }
        self.round_off(&mut turn)
    }

    /// Rolls back a branch that is active or frozen; one that is gone already stays gone.
    #[allow(clippy::too_many_arguments, reason = "the step's four, and the rollback's three")]
    pub fn rollback(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        xid: &Xid,
        reason: RollbackReason,
        blame: Option<Blame>,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let Some((id, branch)) = self.branches.find(xid) else { return Ok(()) };
        assert_ne!(branch.phase, Phase::Deciding, "branch {xid} is decided by a command of the manager's own");
        let mut turn = Turn { state, store, now, out };
        self.roll_back(&mut turn, id, reason, blame, Told::Nobody);
        self.round_off(&mut turn)
    }

    /// A command of the caller's own ended doubt about these messages: prepared receives that were returned or committed,
    /// sends that took their places or were released. Whoever waits for them, or for their end, is served.
    pub fn released(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        keys: &[MessageKey],
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut turn = Turn { state, store, now, out };
        keys.iter().for_each(|key| self.arrive(&turn, *key, Entry::Unread));
        // A purge that waited for one of them ends with it, perhaps in a dead letter.
        self.dead_letters_arrived(SOME_DEAD);
        self.expiry.note(Some(now.after(EXPIRY_NOTICE)));
        self.round_off(&mut turn)
    }
}
