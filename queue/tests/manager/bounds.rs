//! What is bounded, and what happens at the bound (G7, P26).

use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{Properties, QueueName, RollbackReason};
use handfast_queue::manager::limits::{
    ACTIVE_BYTES_MAX, DELAYED_KEYS_MAX, READY_KEYS_MAX, TIMERS_PER_TICK, TRANSACTION_BYTES_MAX, VISITS_MAX,
    WAITING_PER_QUEUE_MAX,
};
use handfast_queue::manager::{
    Action, Answer, ConnectionId, Event, NewBody, NewMessage, Request, RequestId, RequestRefused,
};
use handfast_queue::{Blame, Command, QueueSettings};

use crate::script::xid;
use crate::world::World;

type Answered = Result<Answer, RequestRefused>;

/// A world with one queue, and its requests.
struct Desk {
    world: World,
    requests: u64,
}

impl Desk {
    fn new() -> Desk {
        let mut world = World::new();
        world.checks = false;
        let settings = QueueSettings::default();
        world.apply_command(Command::CreateQueue { name: orders(), settings, principal: String::new() }).unwrap();
        Desk { world, requests: 0 }
    }

    /// What was answered at once.
    fn ask(&mut self, ask: Request) -> Vec<Answered> {
        self.requests += 1;
        let event = Event::Request { request: RequestId(self.requests), connection: ConnectionId(1), ask };
        answers(self.world.step(event))
    }

    fn apply_all(&mut self) -> Vec<Answered> {
        let mut answered = Vec::new();
        while let Some((proposal, result)) = self.world.apply() {
            answered.extend(answers(self.world.step(Event::Applied { proposal, result })));
        }
        answered
    }

    fn pass(&mut self, span: Duration) -> Vec<Answered> {
        self.world.now = self.world.now.after(span);
        answers(self.world.step(Event::Tick))
    }

    fn send(&mut self, branch: Option<&str>, count: usize, size: usize) -> Vec<Answered> {
        let body = NewBody::Inline(Bytes::from(vec![0; size]));
        let message = NewMessage { queue: orders(), properties: Properties::default(), body };
        let messages = vec![message; count];
        self.ask(Request::Send { xid: branch.map(xid), producer: None, messages })
    }

    fn fill(&mut self, count: usize) {
        for from in (0..count).step_by(1_000) {
            self.send(None, (count - from).min(1_000), 8);
        }
        self.apply_all();
    }

    fn start(&mut self, branch: &str) -> Vec<Answered> {
        self.ask(Request::Start { xid: xid(branch), timeout: Duration::from_secs(600) })
    }

    fn receive(&mut self, branch: &str, wait: Duration) -> Vec<Answered> {
        self.ask(Request::Receive { xid: Some(xid(branch)), queue: orders(), wait })
    }

    /// The places of the messages that a branch receives until there is none, at most `count`.
    fn drain(&mut self, branch: &str, count: usize) -> Vec<u64> {
        let mut places = Vec::new();
        while places.len() < count {
            match self.receive(branch, Duration::ZERO).remove(0) {
                Ok(Answer::Received(received)) => places.push(received.key.sequence),
                Ok(Answer::NoMessage) => break,
                other => panic!("{other:?}"),
            }
        }
        places
    }

    fn roll_back(&mut self, branch: &str, blame: Option<Blame>) {
        self.ask(Request::Rollback { xid: xid(branch), blame });
        self.apply_all();
    }
}

fn answers(actions: Vec<Action>) -> Vec<Answered> {
    let answer = |action| match action {
        Action::Answer { answer, .. } => Some(answer),
        Action::Propose { .. } => None,
    };
    actions.into_iter().filter_map(answer).collect()
}

fn orders() -> QueueName {
    QueueName::new("orders").unwrap()
}

fn failed() -> Option<Blame> {
    Some(Blame::Message { error: "broken".into() })
}

#[test]
fn a_branch_larger_than_the_window_returns_in_order() {
    let count = 3 * READY_KEYS_MAX + 17;
    let mut desk = Desk::new();
    desk.fill(count);
    let all: Vec<u64> = (0..count as u64).collect();
    desk.start("t1");
    assert_eq!(desk.drain("t1", usize::MAX), all);
    desk.roll_back("t1", None);
    desk.start("t2");
    assert_eq!(desk.drain("t2", usize::MAX), all);
    desk.world.manager.check_invariants().unwrap();
    desk.roll_back("t2", None);
}

/// What arrives beyond the window waits for the messages between (G4); a higher priority does not (P25).
#[test]
fn an_arrival_beyond_the_window_overtakes_nothing() {
    let count = READY_KEYS_MAX + 44;
    let mut desk = Desk::new();
    desk.fill(count);
    desk.start("t1");
    assert_eq!(desk.drain("t1", 1), vec![0]);
    desk.fill(1);
    assert_eq!(desk.drain("t1", usize::MAX), (1..=count as u64).collect::<Vec<_>>());
}

#[test]
fn more_delayed_messages_than_are_tracked_are_all_found_again() {
    let count = DELAYED_KEYS_MAX + 2 * READY_KEYS_MAX;
    let mut desk = Desk::new();
    desk.fill(count);
    desk.start("t1");
    assert_eq!(desk.drain("t1", usize::MAX).len(), count);
    desk.roll_back("t1", failed());
    desk.start("t2");
    assert_eq!(desk.drain("t2", usize::MAX), Vec::<u64>::new(), "all of them are delayed");
    desk.pass(Duration::from_millis(100));
    assert_eq!(desk.drain("t2", usize::MAX), (0..count as u64).collect::<Vec<_>>());
    desk.world.manager.check_invariants().unwrap();
}

#[test]
fn a_queue_with_too_many_delayed_messages_waits_for_the_first_of_them() {
    let mut desk = Desk::new();
    desk.fill(DELAYED_KEYS_MAX + 1);
    desk.start("t1");
    desk.drain("t1", DELAYED_KEYS_MAX);
    desk.roll_back("t1", failed());
    desk.start("t2");
    assert_eq!(desk.receive("t2", Duration::from_secs(5)), vec![], "the last message lies beyond the window");
    assert_eq!(desk.world.manager.next_tick(), Some(desk.world.now.after(Duration::from_millis(100))));
    let answered = desk.pass(Duration::from_millis(100));
    assert!(matches!(&answered[..], [Ok(Answer::Received(first))] if first.key.sequence == 0), "{answered:?}");
    assert_eq!(desk.drain("t2", usize::MAX).len(), DELAYED_KEYS_MAX);
}

/// A search that passes over very many held messages lets other work through, and says "no message" only when it knows.
#[test]
fn a_long_search_goes_on_in_the_next_tick() {
    let held = 2 * VISITS_MAX;
    let mut desk = Desk::new();
    desk.fill(held + 1);
    desk.start("t1");
    desk.drain("t1", held);
    desk.ask(Request::End { xid: xid("t1") });
    desk.ask(Request::Prepare { xid: xid("t1") });
    desk.apply_all();
    desk.world.crash();

    desk.start("t2");
    assert_eq!(desk.receive("t2", Duration::ZERO), vec![]);
    assert_eq!(desk.world.manager.next_tick(), Some(desk.world.now));
    let mut answered = Vec::new();
    for _ in 0..4 {
        answered.extend(desk.pass(Duration::ZERO));
    }
    assert!(matches!(&answered[..], [Ok(Answer::Received(last))] if last.key.sequence == held as u64), "{answered:?}");
    assert_eq!(desk.receive("t2", Duration::ZERO), vec![Ok(Answer::NoMessage)]);
}

#[test]
fn expired_messages_in_front_leave_in_batches_and_hide_nothing() {
    let mut desk = Desk::new();
    let properties = Properties { time_to_be_received: Some(Duration::from_millis(10)), ..Properties::default() };
    let body = NewBody::Inline(Bytes::new());
    let message = NewMessage { queue: orders(), properties, body };
    desk.ask(Request::Send { xid: None, producer: None, messages: vec![message; 1_000] });
    desk.send(None, 1, 8);
    desk.apply_all();
    desk.world.now = desk.world.now.after(Duration::from_millis(10));
    desk.start("t1");
    assert_eq!(desk.receive("t1", Duration::ZERO), vec![], "it is not known yet");
    let answered = desk.apply_all();
    assert!(matches!(&answered[..], [Ok(Answer::Received(last))] if last.key.sequence == 1_000), "{answered:?}");
    desk.pass(Duration::from_secs(1));
    desk.apply_all();
    assert_eq!(desk.world.state.queue_named(&QueueName::dead_letter()).unwrap().messages, 1_000);
}

#[test]
fn waits_on_one_queue_are_bounded() {
    let mut desk = Desk::new();
    desk.start("t1");
    for _ in 0..WAITING_PER_QUEUE_MAX {
        assert_eq!(desk.receive("t1", Duration::from_secs(1)), vec![]);
    }
    let refused = RequestRefused::TooManyWaiting { name: orders(), limit: WAITING_PER_QUEUE_MAX };
    assert_eq!(desk.receive("t1", Duration::from_secs(1)), vec![Err(refused)]);
    let ticks = WAITING_PER_QUEUE_MAX.div_ceil(TIMERS_PER_TICK) + 1;
    let answered: usize = (0..ticks).map(|_| desk.pass(Duration::from_secs(1)).len()).sum();
    assert_eq!(answered, WAITING_PER_QUEUE_MAX);
    desk.roll_back("t1", None);
    desk.world.manager.check_idle().unwrap();
}

/// P26: what is staged and applied no longer counts as memory, but one transaction stays within what one commit carries.
#[test]
fn a_transaction_is_bounded_and_needs_no_memory_of_its_size() {
    let mut desk = Desk::new();
    desk.start("t1");
    let mut sent = 0;
    let refused = loop {
        match desk.send(Some("t1"), 1, 60_000).remove(0) {
            Ok(_) => sent += 60_000,
            Err(refused) => break refused,
        }
        desk.apply_all();
    };
    assert_eq!(refused, RequestRefused::TransactionTooLarge { xid: xid("t1"), limit: TRANSACTION_BYTES_MAX });
    assert!(sent > TRANSACTION_BYTES_MAX / 10 * 9, "{sent} bytes");
    desk.world.manager.check_invariants().unwrap();
    assert_eq!(desk.ask(Request::End { xid: xid("t1") }), vec![Ok(Answer::Done)]);
    assert_eq!(desk.ask(Request::Commit { xid: xid("t1"), one_phase: true }), vec![]);
    assert_eq!(desk.apply_all(), vec![Ok(Answer::Done)]);
    assert_eq!(desk.world.state.queue_named(&orders()).unwrap().bytes, sent as u64);
    desk.world.manager.check_idle().unwrap();
}

/// P26: one budget for all active branches. Commands in flight count until they are applied.
#[test]
fn active_branches_share_one_budget() {
    let mut desk = Desk::new();
    let mut branches = 0;
    let refused = loop {
        let branch = format!("t{branches}");
        desk.start(&branch);
        branches += 1;
        if let Err(refused) = desk.send(Some(&branch), 16, 60_000).remove(0) {
            break refused;
        }
    };
    assert_eq!(refused, RequestRefused::TooMuchActive { limit: ACTIVE_BYTES_MAX });
    desk.world.manager.check_invariants().unwrap();
    for branch in 0..branches {
        desk.ask(Request::Rollback { xid: xid(&format!("t{branch}")), blame: None });
    }
    desk.apply_all();
    desk.world.manager.check_idle().unwrap();
}

/// The coordinator's calls name branches that may be gone: that is an answer, not a fault (P21).
#[test]
fn ending_a_branch_that_is_gone_says_why() {
    let mut desk = Desk::new();
    desk.start("t1");
    desk.ask(Request::Rollback { xid: xid("t1"), blame: None });
    let now = desk.world.now;
    let mut ended = Vec::new();
    desk.world.work(|manager, state, store, out| {
        ended.push(manager.end(state, store, now, &xid("t1"), out));
        ended.push(manager.end(state, store, now, &xid("never"), out));
    });
    assert_eq!(ended, vec![Err(RollbackReason::Requested), Err(RollbackReason::EpochEnded)]);
}
