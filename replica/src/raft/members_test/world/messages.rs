//! Messages between the members: delayed, lost, doubled, in any order; a call that is lost is never answered.

use super::super::network::{Call, Outgoing, Reply};
use super::{Coming, World};

impl World {
    /// Its messages are on their way, lost, or there twice.
    pub(super) fn carry(&mut self, from: usize) {
        let Some(life) = &self.members[from].life else { return };
        let (calls, number) = (life.outbox.take(), life.number);
        let replies = std::mem::take(&mut life.shell.desk().replies);
        for Outgoing { to, call, answer } in calls {
            self.sequence += 1;
            let id = self.sequence;
            self.callers.insert(id, (from, number, answer));
            let to = to as usize - 1;
            for ticks in self.ways() {
                self.later(ticks, Coming::Call { from, to, call: call.clone(), id });
            }
        }
        for (id, reply) in replies {
            let Some(&(to, life, _)) = self.callers.get(&id) else { continue };
            for ticks in self.ways() {
                self.later(ticks, Coming::Reply { from, to, life, id, reply: reply.clone() });
            }
        }
    }

    /// How long each copy of a message is on its way.
    fn ways(&mut self) -> Vec<u64> {
        if self.chance(self.plan.lost) {
            self.counts.add("messages lost", 1);
            return Vec::new();
        }
        let doubled = u64::from(self.chance(self.plan.doubled));
        self.counts.add("messages doubled", doubled);
        (0..=doubled).map(|_| self.time(self.plan.delays)).collect()
    }

    fn passes(&self, from: usize, to: usize) -> bool {
        self.cuts.get(&(from, to)).is_none_or(|&until| until <= self.now)
    }

    pub(super) fn deliver_call(&mut self, from: usize, to: usize, call: Call, id: u64) {
        if let Some(life) = self.members[to].life.as_ref().filter(|_| self.passes(from, to)) {
            self.trace.tell(self.now, || format!("{} -> {}: {call:?}", from + 1, to + 1));
            // Lost with the process, if that has stopped.
            drop(life.calls.send((id, call)));
        }
    }

    pub(super) fn deliver_reply(&mut self, from: usize, to: usize, life: u64, id: u64, reply: Reply) {
        let lives = self.members[to].life.as_ref().is_some_and(|now| now.number == life);
        if !lives || !self.passes(from, to) {
            return;
        }
        if let Some((.., answer)) = self.callers.remove(&id) {
            self.trace.tell(self.now, || format!("{} -> {}: {reply:?}", from + 1, to + 1));
            // The caller may have given up.
            drop(answer.send(reply));
        }
    }
}
