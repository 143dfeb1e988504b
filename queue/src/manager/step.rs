//! One step: an event in, actions out.

use handfast_mutants::{Mutant, is};
use handfast_protocol::Timestamp;
use handfast_store::{Store, StoreError};

use super::event::earlier;
use super::limits::TIMERS_PER_TICK;
use super::timers::Timer;
use super::turn::{Caller, Stop, Turn};
use super::{Action, ConnectionId, Event, Manager, Request, RequestId, Space};
use crate::state::State;

impl Manager {
    /// Handles one event. `state` and `store` are what is applied so far. An error is fatal (D12).
    pub fn step(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        event: Event,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        let mut turn = Turn { state, store, now, out };
        self.resume_deletes(&mut turn);
        match event {
            Event::Request { request, connection, ask } => self.request(&mut turn, request, connection, ask)?,
            Event::Applied { proposal, result } => self.applied(&mut turn, proposal, result)?,
            Event::Disconnected { connection } => self.disconnected(&mut turn, connection)?,
            Event::KeepAlive { connection } => self.keep_alive(now, connection),
            Event::Tick => self.tick(&mut turn)?,
        }
        self.round_off(&mut turn)
    }

    /// When the manager wants a [`Event::Tick`]. A new one wants it at once: deletes may go on and messages be due.
    pub fn next_tick(&self) -> Option<Timestamp> {
        if !self.resumed {
            return Some(Timestamp::default());
        }
        earlier(self.timers.next(), self.expiry.next())
    }

    /// Tells the manager whether sends and prepares have room (P18).
    pub fn set_space(&mut self, space: Space) {
        self.space = space;
    }

    /// Leadership is lost or the process stops: nobody will know the results of what is under way. The manager's last deed.
    pub fn settle(&mut self, out: &mut Vec<Action>) {
        let in_flight: Vec<_> = self.in_flight.drain().filter_map(|continuation| continuation.request()).collect();
        let removals = self.removals.drain().filter_map(|removal| removal.request);
        let waiting = self.waiting.drain().map(|waiter| waiter.request);
        let openers = self.exclusive.drain_openers().map(|opener| opener.request);
        let open = in_flight.into_iter().chain(removals).chain(waiting).chain(openers);
        let unknown = |request| Action::Answer { request, answer: Err(super::RequestRefused::Unknown) };
        out.extend(open.map(unknown));
    }

    fn request(
        &mut self,
        turn: &mut Turn<'_>,
        request: RequestId,
        connection: ConnectionId,
        ask: Request,
    ) -> Result<(), StoreError> {
        let caller = Caller { request, connection };
        let reply = match ask {
            Request::CreateQueue { name, settings } => self.create_queue(turn, caller, name, settings),
            Request::DeleteQueue { name, discard } => self.delete_queue(turn, caller, &name, discard),
            Request::Purge { name, to_dead_letter } => self.purge(turn, caller, &name, to_dead_letter),
            Request::ListQueues => Ok(Some(self.list_queues(turn))),
            Request::ShowQueue { name } => self.show_queue(turn, &name),

            Request::Send { xid, producer, messages } => self.send(turn, caller, xid, producer, messages),
            Request::StageBody { body, bytes } => self.stage_body(turn, caller, body, bytes),
            Request::ShowProducer { producer } => Ok(Some(Manager::show_producer(turn, &producer))),

            Request::Receive { xid, queue, wait } => self.receive(turn, caller, xid.as_ref(), &queue, wait),
            Request::Peek { queue, after, limit, body_bytes } => self.peek(turn, &queue, after, limit, body_bytes),
            Request::ReadBody { body, part } => Manager::read_body(turn, body, part),
            Request::OpenExclusive { queue, wait } => self.open_exclusive(turn, caller, &queue, wait),
            Request::CloseExclusive { queue } => self.close_exclusive(turn, caller, &queue),

            Request::Start { xid, timeout } => self.start_branch(turn, caller, xid, timeout),
            Request::End { xid } => self.end_branch(turn, &xid),
            Request::Prepare { xid } => self.prepare(turn, caller, &xid),
            Request::Commit { xid, one_phase } => self.commit(turn, caller, &xid, one_phase),
            Request::Rollback { xid, blame } => self.rollback_asked(turn, caller, &xid, blame),
            Request::Recover { after, limit } => Ok(Some(Manager::recover(turn, after.as_ref(), limit))),
            Request::Forget { xid: _ } => Ok(Some(super::Answer::Done)),

            Request::ShowDeadLetter { id } => Manager::show_dead_letter(turn, id),
            Request::ReturnDeadLetters { ids, to } => self.return_dead_letters(turn, caller, &ids, to),
        };
        match reply {
            Ok(Some(answer)) => turn.answer(request, Ok(answer)),
            Ok(None) => {}
            Err(Stop::Refused(refused)) => turn.answer(request, Err(refused)),
            Err(Stop::Store(error)) => return Err(error),
        }
        Ok(())
    }

    fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for _ in 0..TIMERS_PER_TICK {
            let Some(timer) = self.timers.pop_due(turn.now) else { break };
            match timer {
                Timer::Branch(branch) => self.time_out_branch(turn, branch),
                Timer::Receive(wait) => self.time_out_receive(turn, wait),
                Timer::Opener(queue, wait) => self.time_out_opener(turn, queue, wait),
                Timer::Lease(connection) => self.lose_lease(turn, connection),
                Timer::Queue(queue) => {
                    self.ready.touch(queue, |window| window.wake = None);
                    self.stirred.insert(queue);
                }
            }
        }
        self.look_for_expired(turn)
    }

    /// From here to [`Manager::caught_up`] the manager hears, one by one, of commands that are all applied. Nobody is served
    /// meanwhile: an earlier message may be free as well, and its place be told only later (G4).
    pub fn falls_behind(&mut self) {
        self.is_behind = !is(Mutant::ServesBehind);
    }

    /// The manager has heard of everything that is in the state.
    pub fn caught_up(
        &mut self,
        state: &State,
        store: &dyn Store,
        now: Timestamp,
        out: &mut Vec<Action>,
    ) -> Result<(), StoreError> {
        self.is_behind = false;
        self.round_off(&mut Turn { state, store, now, out })
    }

    /// The end of every step: the lines of the queues where something changed are served.
    pub(super) fn round_off(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if self.is_behind {
            return Ok(());
        }
        while let Some(queue) = self.stirred.pop_first() {
            self.serve(turn, queue)?;
        }
        if self.expiry.take_stale() {
            self.expiry.note(turn.state.next_expiry(turn.store)?);
        }
        Ok(())
    }
}
