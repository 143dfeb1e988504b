//! What befalls the members: ends and new starts of their processes, failing disks, cuts of the network.

use handfast_log::disk::{Crash, Fault};
use handfast_protocol::Timestamp;

use super::super::judge::Violation;
use super::super::member::Member;
use super::super::plan::any_power_loss;
use super::super::{MEMBERS, TICK};
use super::{AWAY_MAX, CUT_MAX, Coming, World};

impl World {
    pub(super) fn happens(&mut self, every: Option<u64>) -> bool {
        every.is_some_and(|every| self.random.below(every) == 0)
    }

    pub(super) fn chance(&mut self, thousandths: Option<u64>) -> bool {
        thousandths.is_some_and(|chance| self.random.below(1_000) < chance)
    }

    /// A time of at least one tick, at most what the plan allows.
    pub(super) fn time(&mut self, most: Option<u64>) -> u64 {
        1 + most.map_or(0, |most| self.random.below(most))
    }

    fn anybody(&mut self) -> usize {
        let leader =
            |member: &Member| member.life.as_ref().is_some_and(|life| life.shell.desk().node.identity().is_some());
        match self.members.iter().position(leader) {
            Some(leader) if self.random.coin() => leader,
            _ => self.random.below(MEMBERS.len() as u64) as usize,
        }
    }

    /// What goes wrong in this tick.
    pub(super) fn strike(&mut self) {
        if self.happens(self.plan.kills) {
            let member = self.anybody();
            self.crash(member, Crash::ProcessKill);
        }
        if self.happens(self.plan.power_losses) {
            let (member, crash) = (self.anybody(), any_power_loss(&mut self.random));
            self.crash(member, crash);
        }
        if self.happens(self.plan.blackouts) {
            self.counts.add("blackouts", 1);
            for member in 0..MEMBERS.len() {
                let crash = any_power_loss(&mut self.random);
                self.crash(member, crash);
            }
        }
        if self.happens(self.plan.disk_errors) {
            let (member, nth) = (self.anybody(), self.random.below(4));
            let fault = if self.random.coin() { Fault::SyncError { nth } } else { Fault::WriteError { nth } };
            if self.members[member].life.is_some() {
                self.members[member].strike(fault);
            }
        }
        if self.happens(self.plan.partitions) {
            let (alone, until) = (self.anybody(), self.now + self.random.below(CUT_MAX));
            for other in (0..MEMBERS.len()).filter(|&other| other != alone) {
                self.cut(alone, other, until);
                self.cut(other, alone, until);
            }
        }
        if self.happens(self.plan.one_way) {
            let (from, until) = (self.anybody(), self.now + self.random.below(CUT_MAX));
            let to = (from + 1 + self.random.below(2) as usize) % MEMBERS.len();
            self.cut(from, to, until);
        }
    }

    fn cut(&mut self, from: usize, to: usize, until: u64) {
        self.counts.add("directions cut", 1);
        self.trace.tell(self.now, || format!("nothing from {} to {} until {until}", from + 1, to + 1));
        self.cuts.insert((from, to), until);
    }

    /// It comes back after a while, if it is not already away.
    pub(super) fn crash(&mut self, member: usize, crash: Crash) {
        if self.members[member].life.is_none() {
            return;
        }
        self.counts.add("crashes", 1);
        self.trace.tell(self.now, || format!("member {} ends: {crash:?}", member + 1));
        let changes = self.random.below(12);
        self.members[member].crash(crash, changes);
        self.comes_back(member);
    }

    fn comes_back(&mut self, member: usize) {
        let away = 1 + if self.calm { 0 } else { self.random.below(AWAY_MAX) };
        self.later(away, Coming::Restart { member });
    }

    pub(super) fn restart(&mut self, member: usize) -> Result<(), Violation> {
        self.lives += 1;
        let cut = self.chance(self.plan.cut_starts);
        if cut {
            self.counts.add("starts cut off", 1);
            let after = self.random.below(40);
            self.members[member].strike(Fault::Halt { after });
        }
        let (seed, now) = (self.random.next_u64(), Timestamp(self.now * TICK.as_millis() as u64));
        let apply_time = TICK * (self.time(self.plan.slow_apply) as u32 - 1);
        match self.members[member].start(self.lives, seed, now, apply_time) {
            Ok(()) => {
                let last = self.members[member].life.as_ref().map_or(0, |life| life.shell.desk().last);
                self.heard[member] = last;
                let end = self.members[member].life.as_ref().map_or(0, |life| life.writer.last_index());
                self.counts.add("ends of logs lost", u64::from(end < self.last_index[member]));
                self.last_index[member] = end;
                self.trace.tell(self.now, || format!("member {} starts at {last}", member + 1));
                Ok(())
            }
            Err(error) if cut => {
                self.trace.tell(self.now, || format!("member {} does not get through its start: {error}", member + 1));
                let crash = any_power_loss(&mut self.random);
                self.members[member].crash(crash, 0);
                self.comes_back(member);
                Ok(())
            }
            Err(error) => Err(Violation(format!("member {} does not start: {error}", member + 1))),
        }
    }
}
