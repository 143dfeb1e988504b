//! Messages whose time-to-be-received ran out leave in bounded commands; one that an active branch holds is left to it (P17).

use handfast_mutants::{Mutant, is};
use handfast_store::StoreError;

use super::Manager;
use super::in_flight::Continuation;
use super::limits::{EXPIRY_RETRY, REMOVE_BATCH};
use super::locks::Owner;
use super::turn::Turn;
use crate::{Command, MessageKey};

impl Manager {
    /// Takes away what is due, one batch at a time; its result looks again.
    pub(super) fn look_for_expired(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.expiry.is_due(turn.now) {
            return Ok(());
        }
        let limit = REMOVE_BATCH + self.expiry.passed_over;
        let mut due = turn.state.expired(turn.store, turn.now, limit)?;
        let found = due.len();
        due.retain(|key| self.is_free(turn, key) || is(Mutant::ExpiresHeld));
        self.expiry.passed_over = found - due.len();
        if due.is_empty() && self.expiry.passed_over == limit {
            // All of them are locked; the next look sees further.
            self.expiry.end(Some(turn.now));
            return Ok(());
        }
        if due.is_empty() {
            let next = turn.state.next_expiry(turn.store)?;
            self.expiry.end(next.map(|at| if at > turn.now { at } else { turn.now.after(EXPIRY_RETRY) }));
            return Ok(());
        }
        due.truncate(REMOVE_BATCH);
        for key in &due {
            self.ready.touch(key.queue, |window| window.forget(key));
            self.locks.lock(*key, Owner::Command);
        }
        self.expiry.begin();
        self.expire(turn, due, true);
        Ok(())
    }

    /// Removes messages that are locked for it; a search that met them asks (`looked`: the look at what is due did).
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>, messages: Vec<MessageKey>, looked: bool) {
        if messages.is_empty() {
            return;
        }
        let command = Command::Expire { messages: messages.clone() };
        self.in_flight.propose(turn.out, command, Continuation::Expire { messages, looked });
    }
}
