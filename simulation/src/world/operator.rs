//! What an operator of the queue manager does in the middle of a run.

use handfast_machine::Request;
use handfast_queue::manager;

use super::World;
use super::scenery::AUDITOR;
use crate::names;
use crate::probes::Probe;
use crate::server::{ServerId, Waiter};

impl World {
    /// Purges the orders, to the dead letters, between the prepare of a branch that holds some of them and its end: those stay
    /// (P17).
    pub(super) fn purge_orders(&mut self) {
        let Some(process) = &self.servers[&ServerId::Queues].process else { return };
        let queue = &process.node().state().queue;
        let is_held = queue.queue_named(&names::orders()).is_some_and(|orders| queue.in_doubt_on(orders.id) > 0);
        // Something is done by then: a run of which everything is purged shows nothing.
        let has_shown = self.probes[Probe::ToldCommitted] > 0;
        if !is_held || !has_shown || self.stalled.contains(&ServerId::Queues) {
            return;
        }
        if !std::mem::replace(&mut self.is_purged, true) {
            (1..=self.plan.scene.orders).for_each(|order| self.doom(order, "Purged", true));
        }
        self.note(|| "      an operator purges the orders".to_owned());
        self.probes[Probe::Purged] += 1;
        let purge = manager::Request::Purge { name: names::orders(), to_dead_letter: true };
        let now = self.now;
        let process = self.server(ServerId::Queues).process.as_mut().expect("it was there above");
        let result = process.request(now, AUDITOR, Request::Queue(purge), Waiter::Operator);
        self.settle(ServerId::Queues, result).expect("nothing fails when a purge is asked for");
    }
}
