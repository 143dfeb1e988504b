//! What may happen next, chosen by a number; and the end, when everything is made well and must come right by itself.

use super::*;
use handfast_coordinator_core::{Answer, KnownOutcome, Report, RequestRefused};
use handfast_protocol::Outcome;

/// How often each kind of step is chosen, out of the sum.
const WEIGHTS: [(Choice, u16); 15] = [
    (Choice::Client, 60),
    (Choice::Apply, 30),
    (Choice::Execute, 30),
    (Choice::Hear, 30),
    (Choice::Tick, 7),
    (Choice::Barrier, 6),
    (Choice::Vanish, 2),
    (Choice::LateDeed, 4),
    (Choice::LoseAnswer, 2),
    (Choice::LoseCall, 2),
    (Choice::ExecuteOrphan, 3),
    (Choice::UpOrDown, 2),
    (Choice::HostRefuses, 1),
    (Choice::OtherVote, 1),
    (Choice::Crash, 1),
];

#[derive(Debug, Clone, Copy)]
enum Choice {
    Client,
    Apply,
    Execute,
    Hear,
    Tick,
    Barrier,
    Vanish,
    LateDeed,
    LoseAnswer,
    LoseCall,
    ExecuteOrphan,
    UpOrDown,
    HostRefuses,
    OtherVote,
    Crash,
}

impl World {
    /// One step: the low part of the number says what kind, the rest of it which.
    pub fn step(&mut self, number: u16) {
        let sum: u16 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let (mut kind, which) = (number % sum, usize::from(number / sum));
        let chosen = WEIGHTS.iter().find(|(_, weight)| {
            let found = kind < *weight;
            kind = kind.wrapping_sub(*weight);
            found
        });
        self.choose(chosen.unwrap().0, which);
        self.check_atomic();
        if number.is_multiple_of(16) {
            self.state.check_invariants(&self.store).unwrap().unwrap();
        }
    }

    fn choose(&mut self, choice: Choice, which: usize) {
        match choice {
            Choice::Client => self.advance(which % self.clients.len(), which / self.clients.len()),
            Choice::Apply if !self.proposals.is_empty() => self.apply_next(),
            Choice::HostRefuses => self.refuse_next(),
            Choice::Execute => {
                if let Some((call, resource, ask)) = pick(&mut self.calls, which) {
                    let result = self.execute(&resource.name, &ask);
                    self.answers.push((call, result));
                }
            }
            Choice::Hear => {
                if let Some((call, result)) = pick(&mut self.answers, which) {
                    self.event(Event::Called { call, result });
                }
            }
            Choice::LoseAnswer => {
                if let Some((call, resource, ask)) = pick(&mut self.calls, which) {
                    self.execute(&resource.name, &ask).ok();
                    let result = Err(CallFailed::TimedOut { resource: resource.name });
                    self.answers.push((call, result));
                }
            }
            Choice::LoseCall => {
                if let Some((call, resource, ask)) = pick(&mut self.calls, which) {
                    self.orphans.push((resource.name.clone(), ask));
                    let result = Err(CallFailed::TimedOut { resource: resource.name });
                    self.answers.push((call, result));
                }
            }
            Choice::ExecuteOrphan => {
                if let Some((name, ask)) = pick(&mut self.orphans, which) {
                    self.execute(&name, &ask).ok();
                }
            }
            Choice::Barrier => self.pass_barrier(),
            Choice::Tick => self.pass_time([1, 40, 400, 400, 400, 2_000, 2_000, 6_000, 35_000][which % 9]),
            Choice::Vanish => self.vanish(which % self.clients.len()),
            Choice::LateDeed => self.late_deed(which),
            Choice::UpOrDown => {
                let database = self.databases.values_mut().nth(which % 3).unwrap();
                database.up = !database.up;
            }
            Choice::OtherVote => {
                let votes = [PrepareVote::Commit, PrepareVote::Commit, PrepareVote::ReadOnly, PrepareVote::Rollback];
                self.databases.values_mut().for_each(|database| database.next_vote = votes[which % votes.len()]);
            }
            Choice::Crash => self.crash(which % 4),
            Choice::Apply => {}
        }
    }

    fn pass_barrier(&mut self) {
        // Everything committed before it is applied here at once.
        if let Some(barrier) = self.barriers.pop_front() {
            self.event(Event::BarrierPassed { barrier });
        }
    }

    fn pass_time(&mut self, millis: u64) {
        self.now = self.now.after(Duration::from_millis(millis));
        if self.coordinator.next_tick().is_some_and(|at| at <= self.now) {
            self.event(Event::Tick);
        }
    }

    /// The client does the next thing, unless it waits for an answer.
    fn advance(&mut self, index: usize, how: usize) {
        if self.clients[index].waits_for.is_some() {
            return;
        }
        let connection = self.clients[index].connection;
        let ask = match self.clients[index].step {
            Step::Begin => {
                self.plan(index, how);
                let timeout = Duration::from_secs([60, 60, 5][how % 3]);
                Request::Begin { timeout }
            }
            Step::Enlist(id) => match self.clients[index].to_enlist.pop() {
                Some(resource) => Request::Enlist { id, resource },
                None => {
                    let giving_up = how % 13 == 7;
                    self.clients[index].step = if giving_up { Step::Rollback(id) } else { Step::Prepare(id) };
                    return;
                }
            },
            Step::Prepare(id) => return self.prepare(index, id),
            Step::Commit(id) => Request::Commit { id, prepared: self.clients[index].prepared.clone() },
            Step::Go(id) => return self.go(index, id, how),
            Step::ReportCommitted(id) => self.report(id, Report::Committed),
            Step::ReportUncertain(id) => self.report(id, Report::Uncertain),
            Step::Rollback(id) => Request::Rollback { id },
            Step::Ask(id) => Request::Outcome { id, wait: Duration::from_secs(how as u64 % 3) },
        };
        let for_a_slot = matches!(&ask, Request::Enlist { resource, .. } if resource.as_str() == "stock");
        let request = self.ask(connection, ask);
        self.happened.waited_for_a_slot += u64::from(for_a_slot && self.open.contains(&request));
    }

    fn report(&mut self, id: GlobalId, report: Report) -> Request {
        self.happened.reports_after_a_crash += u64::from(id.epoch < self.identity.epoch);
        Request::Report { id, report }
    }

    fn plan(&mut self, index: usize, how: usize) {
        let name = |text: &str| ResourceName::new(text).unwrap();
        let client = &mut self.clients[index];
        client.prepared.clear();
        client.last = (!how.is_multiple_of(3)).then(|| name("ledger"));
        client.to_prepare = if how.is_multiple_of(2) { vec![name("stock")] } else { Vec::new() };
        client.to_enlist = client.last.iter().chain(&client.to_prepare).cloned().collect();
        if how % 5 < 2 {
            client.to_enlist.push(name("mail"));
        }
    }

    fn prepare(&mut self, index: usize, id: GlobalId) {
        let client = &mut self.clients[index];
        client.step = match client.to_prepare.pop() {
            None => Step::Commit(id),
            Some(name) => {
                let xid = id.branch(name.bqual());
                let database = self.databases.get_mut(&name).unwrap();
                if database.prepare(&xid) {
                    client.prepared.push(name);
                    Step::Prepare(id)
                } else {
                    Step::Rollback(id)
                }
            }
        };
    }

    /// The deciding commit: seen, done but not seen, or not known to have been done; a row that stands there keeps it out.
    fn go(&mut self, index: usize, id: GlobalId, how: usize) {
        let name = self.clients[index].last.clone().unwrap();
        if how % 5 == 4 {
            self.late.push(Late::Commit { id, at: name });
            self.clients[index].step = Step::ReportUncertain(id);
            return;
        }
        let seen = self.databases.get_mut(&name).unwrap().commit_with_row(id);
        self.clients[index].step = match seen {
            Some(Outcome::Committed) if how % 5 < 3 => Step::ReportCommitted(id),
            Some(_) | None => Step::ReportUncertain(id),
        };
    }

    /// The client stops. What it had sent to a database may still take effect there, at any time.
    fn vanish(&mut self, index: usize) {
        let fresh = self.new_client();
        let gone = std::mem::replace(&mut self.clients[index], fresh);
        match gone.step {
            Step::Prepare(id) => {
                self.late.extend(gone.to_prepare.into_iter().map(|at| Late::Prepare { id, at }));
            }
            Step::Go(id) => self.late.extend(gone.last.map(|at| Late::Commit { id, at })),
            _ => {}
        }
        self.event(Event::Disconnected { connection: gone.connection });
    }

    fn late_deed(&mut self, which: usize) {
        match pick(&mut self.late, which) {
            Some(Late::Prepare { id, at }) => {
                let xid = id.branch(at.bqual());
                let done = self.databases.get_mut(&at).unwrap().prepare(&xid);
                self.happened.late_prepares += u64::from(done);
                self.prepared_late.extend(done.then_some(xid));
            }
            Some(Late::Commit { id, at }) => {
                let seen = self.databases.get_mut(&at).unwrap().commit_with_row(id);
                self.happened.late_commits_kept_out += u64::from(seen == Some(Outcome::RolledBack));
            }
            None => {}
        }
    }

    /// An answer reaches whoever asked, if it is still there.
    pub(super) fn hear(&mut self, request: RequestId, answer: &Result<Answer, RequestRefused>) {
        if let Ok(Answer::Begun { id, .. }) = answer {
            self.local.insert(*id, Local::Active);
        }
        let Some(index) = self.clients.iter().position(|client| client.waits_for == Some(request)) else {
            return;
        };
        self.clients[index].waits_for = None;
        let step = self.clients[index].step;
        let next = match (answer, step.id()) {
            (Ok(Answer::Begun { id, .. }), _) => Step::Enlist(*id),
            (Ok(Answer::Enlisted(_)), _) => step,
            (Ok(Answer::Go), Some(id)) => Step::Go(id),
            (Ok(Answer::Outcome(known)), Some(id)) => match known {
                KnownOutcome::Committed => self.is_told(id, true),
                KnownOutcome::RolledBack(_) => self.is_told(id, false),
                KnownOutcome::Undecided(_) => Step::Ask(id),
                KnownOutcome::Heuristic(heuristic) => panic!("A12: {id} has a {heuristic}"),
                KnownOutcome::Forgotten => panic!("{id} was forgotten too early"),
            },
            (Err(RequestRefused::RolledBack { .. }), Some(id)) => self.is_told(id, false),
            (Err(RequestRefused::Unknown), Some(id)) => match step {
                // It may still have its commit to do, or its report to give, to the next leadership.
                Step::Go(_) | Step::ReportCommitted(_) | Step::ReportUncertain(_) => step,
                _ => Step::Ask(id),
            },
            (Err(RequestRefused::NotActive { .. } | RequestRefused::CommitUnderWay { .. }), Some(id)) => Step::Ask(id),
            (Err(RequestRefused::NotAttached { .. }), Some(id)) => Step::Rollback(id),
            (Err(RequestRefused::Unknown), None) => Step::Begin,
            (answer, id) => panic!("{id:?} at {step:?} was answered {answer:?}"),
        };
        self.clients[index].step = next;
    }

    fn is_told(&mut self, id: GlobalId, committed: bool) -> Step {
        let before = self.told.insert(id, committed);
        assert!(before.is_none_or(|before| before == committed), "A3: {id} was told otherwise before");
        if committed {
            self.happened.committed += 1;
        } else {
            self.happened.rolled_back += 1;
        }
        Step::Begin
    }

    /// Everything comes back and nobody begins anything new. What is in doubt must be resolved by itself (A13).
    pub fn heal(&mut self) {
        self.databases
            .values_mut()
            .for_each(|database| (database.up, database.next_vote) = (true, PrepareVote::Commit));
        while !self.late.is_empty() {
            self.late_deed(0);
        }
        (0..self.clients.len()).for_each(|index| self.vanish(index));
        while !self.late.is_empty() {
            self.late_deed(0);
        }
        let orphans = std::mem::take(&mut self.orphans);
        for (name, ask) in orphans {
            self.execute(&name, &ask).ok();
        }
        let end = self.now.after(Duration::from_secs(120));
        while self.now < end {
            self.settle_down();
            self.pass_time(100);
        }
        self.settle_down();
        self.check_atomic();
        self.check_resolved();
    }

    fn settle_down(&mut self) {
        loop {
            if let Some((call, result)) = self.answers.pop() {
                self.event(Event::Called { call, result });
            } else if !self.proposals.is_empty() {
                self.apply_next();
            } else if let Some((call, resource, ask)) = pick(&mut self.calls, 0) {
                let result = self.execute(&resource.name, &ask);
                self.event(Event::Called { call, result });
            } else if self.barriers.is_empty() {
                break;
            } else {
                self.pass_barrier();
            }
        }
    }

    fn check_resolved(&mut self) {
        self.state.check_invariants(&self.store).unwrap().unwrap();
        assert_eq!(self.state.transactions().count(), 0, "A13: transactions are left in the log");
        assert!(self.open.is_empty(), "requests without an answer: {:?}", self.open);
        for database in self.databases.values() {
            assert_eq!(database.prepared(), 0, "A13: branches are left at {}", database.resource.name);
        }
        let ids: Vec<GlobalId> = self.local.keys().copied().collect();
        for id in ids {
            assert!(!self.coordinator.is_active(id), "A16: {id} is still active");
            let committed = match self.local[&id] {
                Local::Committed => true,
                Local::RolledBack => false,
                local => panic!("A13: the local branch of {id} is {local:?}"),
            };
            self.check_told(id, committed);
        }
    }

    /// Whoever asks after all that is told the truth (P20).
    fn check_told(&mut self, id: GlobalId, committed: bool) {
        let mut out = Vec::new();
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let ask = Request::Outcome { id, wait: Duration::ZERO };
        let event = Event::Request { request, connection: OPERATOR, ask };
        self.coordinator.step(&self.state, &self.store, self.now, event, &mut out).unwrap();
        let [Action::Answer { answer: Ok(Answer::Outcome(known)), .. }] = out.as_slice() else {
            panic!("{id}: {out:?}");
        };
        match known {
            KnownOutcome::Committed => assert!(committed, "{id} was rolled back"),
            KnownOutcome::RolledBack(_) => assert!(!committed, "{id} was committed"),
            known => panic!("{id} is {known:?}"),
        }
    }
}

fn pick<T>(from: &mut Vec<T>, which: usize) -> Option<T> {
    if from.is_empty() { None } else { Some(from.remove(which % from.len())) }
}
