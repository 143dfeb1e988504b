//! Two requests in one: a transaction that begins with its first message, and a commit that brings the last sends along. A
//! round trip less of each, and nothing else: the parts are those that have requests of their own.

use std::time::Duration;

use handfast_coordinator_core as coordinator;
use handfast_mutants::{Mutant, is};
use handfast_protocol::{GlobalId, QueueName, ResourceName};
use handfast_queue::manager;
use handfast_store::StoreError;

use super::{Caller, Leader, Scene};
use crate::node::Action;
use crate::request::{Answer, Refusal, RequestId};
use crate::state::local_branch;

impl Leader {
    pub(super) fn begin_receive(
        &mut self,
        scene: Scene<'_>,
        caller: Caller,
        timeout: Duration,
        queue: QueueName,
        wait: Duration,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        // While it waits, the wait is what ends it.
        let connection = coordinator::ConnectionId(caller.connection.0);
        let begun = self.coordinator.begin(scene.now, connection, Duration::MAX);
        let started = match begun {
            Ok((id, _)) => self.start_local(scene, id, out)?.map(|()| id),
            Err(refused) => Err(refused.into()),
        };
        match started {
            Ok(id) => {
                self.beginning.insert(caller.request, (id, timeout));
                let ask = manager::Request::Receive { xid: Some(local_branch(id)), queue, wait };
                self.ask_manager(scene, caller, ask, out)
            }
            Err(refusal) => {
                out.push(Action::Answer { request: caller.request, answer: Err(refusal) });
                Ok(())
            }
        }
    }

    /// The messages join the transaction only where its commit is taken: asked again it does not send again.
    pub(super) fn send_commit(
        &mut self,
        scene: Scene<'_>,
        caller: Caller,
        (id, prepared): (GlobalId, Vec<ResourceName>),
        messages: Vec<manager::NewMessage>,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        if self.coordinator.takes_commit(id, &prepared) {
            let (sender, xid, mut actions) = (manager::ConnectionId(caller.connection.0), local_branch(id), Vec::new());
            let Scene { state, store, now } = scene;
            let sent = self.manager.send_in(&state.queue, store, now, sender, &xid, messages, &mut actions)?;
            self.carry_manager(scene, actions, out)?;
            if let Err(refused) = sent
                && !is(Mutant::CommitsUnsent)
            {
                out.push(Action::Answer { request: caller.request, answer: Err(Refusal::Queue(refused)) });
                return Ok(());
            }
        }
        self.ask_coordinator(scene, caller, coordinator::Request::Commit { id, prepared }, out)
    }

    /// Tells the caller. A transaction whose first receive brought no message has not begun, and is to be abandoned.
    pub(super) fn queue_answered(
        &mut self,
        scene: Scene<'_>,
        request: RequestId,
        answer: Result<manager::Answer, manager::RequestRefused>,
        out: &mut Vec<Action>,
    ) -> Option<GlobalId> {
        let mut unbegun = None;
        let answer = match (self.beginning.remove(&request), answer) {
            (Some((id, timeout)), Ok(manager::Answer::Received(received))) => {
                let deadline = self.coordinator.restart_clock(scene.now, id, timeout);
                Ok(Answer::Begun { id, deadline, received })
            }
            (beginning, answer) => {
                unbegun = beginning.map(|(id, _)| id);
                answer.map(Answer::Queue).map_err(Refusal::Queue)
            }
        };
        out.push(Action::Answer { request, answer });
        unbegun
    }
}
