//! What the history is told of a run: what clients ask and hear, who comes and goes, what becomes durable.

use handfast_checker::history::{Event, Fact, Message, Op, State, What};
use handfast_coordinator_core::{self as coordinator, KnownOutcome};
use handfast_machine::{Answer, Refusal, Request};
use handfast_protocol::{RollbackReason, Xid};
use handfast_queue::manager::{self, NewBody, NewMessage};

use super::{ClientId, Desk, World};
use crate::client::{Heard, Role, Told};
use crate::database::{Reply, Statement};
use crate::goods;
use crate::names;
use crate::probes::Probe;
use crate::server::ServerId;
use crate::watcher;

impl World {
    pub(super) fn tell(&mut self, process: &str, what: What) {
        let at = self.now.0 * 1_000;
        self.note(|| format!("      {process}: {what:?}"));
        self.history.events.push(Event { at, process: process.to_owned(), what });
    }

    pub(super) fn inform(&mut self, process: &str, fact: Fact) {
        self.tell(process, What::Info(fact));
    }

    /// Whoever depends on this process may wait for it.
    pub(super) fn goes_away(&mut self, process: &str) {
        self.inform(process, Fact::Away);
    }

    pub(super) fn is_back(&mut self, process: &str) {
        if !self.is_behind_cut(process) {
            self.inform(process, Fact::Back);
        }
    }

    /// It was away for a moment: a word from or to it was lost or late.
    pub(super) fn falters(&mut self, process: &str) {
        self.goes_away(process);
        self.is_back(process);
    }

    pub(super) fn everybody_falters(&mut self) {
        let names: Vec<String> = (0..self.desks.len()).map(|at| self.client_name(ClientId(at))).collect();
        names.iter().for_each(|name| self.falters(name));
    }

    /// A client's next life is another process.
    pub(super) fn client_name(&self, id: ClientId) -> String {
        let desk = &self.desks[id.0];
        match desk.role {
            // Its lives are one sender to whoever counts what was sent.
            Role::Import(_) => names::IMPORTER.to_owned(),
            Role::Work(_) => format!("client-{}.{}", id.0 + 1, desk.life),
        }
    }

    pub(super) fn asks(&mut self, id: ClientId, ask: &Request) {
        let transaction = self.desks[id.0].client.open_attempt().map(|attempt| attempt.id.to_string());
        let op = match ask {
            Request::Coordinator(coordinator::Request::Begin { .. }) => Op::Begin { transaction: String::new() },
            Request::Coordinator(coordinator::Request::Commit { id, .. }) => Op::Commit { transaction: id.to_string() },
            // It is sent if the commit is done; until then nobody knows of it.
            Request::SendCommit { id: committed, messages, .. } => {
                if let [message] = messages.as_slice() {
                    let (queue, message) = (message.queue.to_string(), sent(message));
                    let op = Op::Send { transaction, queue, message };
                    self.invoke(id, op.clone());
                    self.answered(id, What::Ok(op));
                }
                Op::Commit { transaction: committed.to_string() }
            }
            Request::BeginReceive { queue, .. } | Request::Queue(manager::Request::Receive { queue, .. }) => {
                Op::Receive { transaction, queue: queue.to_string(), message: None }
            }
            Request::Queue(manager::Request::Send { producer: Some(at), .. })
                if at.sequence < self.desks[id.0].imports_told =>
            {
                return;
            }
            Request::Queue(manager::Request::Send { messages, producer, .. }) => match messages.as_slice() {
                [message] => {
                    self.desks[id.0].imports_told += u64::from(producer.is_some());
                    Op::Send { transaction, queue: message.queue.to_string(), message: sent(message) }
                }
                _ => return,
            },
            _ => return,
        };
        self.invoke(id, op);
    }

    fn invoke(&mut self, id: ClientId, op: Op) {
        let name = self.client_name(id);
        self.desks[id.0].asked = Some(op.clone());
        self.tell(&name, What::Invoke(op));
    }

    pub(super) fn executes(&mut self, id: ClientId, statement: &Statement) {
        if let Statement::Insert(row) = statement {
            let row = goods::row(row);
            self.invoke(id, Op::Write { transaction: row.by.clone(), resource: names::ledger().to_string(), row });
        }
    }

    pub(super) fn replied(&mut self, id: ClientId, reply: Reply) {
        if let Some(op @ Op::Write { .. }) = self.desks[id.0].asked.clone() {
            let what = match reply {
                Reply::Done => What::Ok(op),
                Reply::Lost => What::Unknown(op),
                Reply::Busy
                | Reply::NoTransaction
                | Reply::Fenced
                | Reply::Refused
                | Reply::Failed
                | Reply::RolledBack => What::Fail(op),
            };
            self.answered(id, what);
        }
    }

    /// A client hears what became of its request. What became of a commit it says itself, when it knows.
    pub(super) fn hears(&mut self, id: ClientId, heard: &Heard) {
        self.hears_of_timeout(id, heard);
        if let Role::Import(_) = self.desks[id.0].role {
            return self.importer_hears(id, heard);
        }
        let Some(op) = self.desks[id.0].asked.clone() else { return };
        if let Heard::Answer(Err(Refusal::Queue(manager::RequestRefused::NoSpace))) = heard {
            let sends =
                matches!(op, Op::Send { .. }) || matches!(op, Op::Commit { .. }) && self.plan.scene.combined > 0;
            assert!(sends, "P18: {op:?} needs no space");
            self.probes[Probe::NoSpace] += 1;
        }
        let what = match (op, heard) {
            (Op::Commit { .. }, _) => return,
            (_, Heard::Answer(Ok(Answer::Coordinator(coordinator::Answer::Begun { id, .. })))) => {
                What::Ok(Op::Begin { transaction: id.to_string() })
            }
            (Op::Receive { queue, .. }, Heard::Answer(Ok(Answer::Begun { id: begun, received, .. }))) => {
                self.probes[Probe::BegunWithMessage] += 1;
                let (transaction, name) = (begun.to_string(), self.client_name(id));
                self.tell(&name, What::Ok(Op::Begin { transaction: transaction.clone() }));
                return self.has_message(id, Some(transaction), queue, received);
            }
            (Op::Receive { transaction, queue, .. }, Heard::Answer(Ok(answer))) => match answer {
                Answer::Queue(manager::Answer::Received(received)) => {
                    return self.has_message(id, transaction, queue, received);
                }
                Answer::Queue(manager::Answer::BodyPart(body)) => {
                    let label = self.desks[id.0].awaiting_body.take().expect("the message came before its body");
                    self.probes[Probe::BodiesRead] += 1;
                    What::Ok(Op::Receive { transaction, queue, message: Some(message(body, &label)) })
                }
                _ => What::Ok(Op::Receive { transaction, queue, message: None }),
            },
            (op @ Op::Receive { .. }, _) if self.desks[id.0].awaiting_body.take().is_some() => What::Unknown(op),
            (op, Heard::Answer(Ok(_))) => What::Ok(op),
            (op, Heard::Answer(Err(_)) | Heard::Unreachable) => What::Fail(op),
            (op, Heard::Lost) => What::Unknown(op),
        };
        self.answered(id, what);
    }

    /// One whose body rests apart it has when it has its body.
    fn has_message(&mut self, id: ClientId, transaction: Option<String>, queue: String, received: &manager::Received) {
        let label = &received.message.properties.label;
        if received.apart.is_some() {
            self.desks[id.0].awaiting_body = Some(label.clone());
            self.desks[id.0].asked = Some(Op::Receive { transaction, queue, message: None });
            return;
        }
        let message = Some(message(&received.message.body, label));
        self.answered(id, What::Ok(Op::Receive { transaction, queue, message }));
    }

    /// An import's send is open until somebody says that it is done, in whichever life. What the queue manager says of the
    /// import's place is judged here: no history tells of it (P24).
    fn importer_hears(&mut self, id: ClientId, heard: &Heard) {
        let Heard::Answer(Ok(Answer::Queue(answer))) = heard else { return };
        let Desk { imports_told: told, asked, .. } = &self.desks[id.0];
        let (told, open) = (*told, asked.clone());
        let next = match answer {
            manager::Answer::Sent { repeated, .. } => {
                self.probes[Probe::Repeated] += u64::from(*repeated);
                told
            }
            manager::Answer::Producer(place) => place.next,
            manager::Answer::UnknownProducer => 0,
            other => panic!("{other:?} answers no importer"),
        };
        let done = told - u64::from(open.is_some());
        assert!((done..=told).contains(&next), "P24: {done} to {told} were sent, and {next} is expected next");
        if let Some(op) = open.filter(|_| next == told) {
            self.answered(id, What::Ok(op));
        }
    }

    /// The coordinator says that it gave the client's transaction up for its timeout.
    fn hears_of_timeout(&mut self, id: ClientId, heard: &Heard) {
        let reason = match heard {
            Heard::Answer(Ok(Answer::Coordinator(coordinator::Answer::Outcome(KnownOutcome::RolledBack(reason))))) => {
                reason
            }
            Heard::Answer(Err(Refusal::Coordinator(refused))) => match &**refused {
                coordinator::RequestRefused::RolledBack { reason, .. } => reason,
                _ => return,
            },
            Heard::Answer(_) | Heard::Lost | Heard::Unreachable => return,
        };
        let Some(attempt) = self.desks[id.0].client.open_attempt() else { return };
        if *reason == RollbackReason::TimedOut {
            let transaction = attempt.id.to_string();
            self.probes[Probe::TimedOut] += 1;
            let name = self.coordinator().name();
            self.inform(name, Fact::TimedOut { transaction });
        }
    }

    fn answered(&mut self, id: ClientId, what: What) {
        self.desks[id.0].asked = None;
        let name = self.client_name(id);
        self.tell(&name, what);
    }

    /// The end of a client's transaction, as it knows it.
    pub(super) fn ends(&mut self, id: ClientId, transaction: String, told: Told) {
        self.probes[match told {
            Told::Committed => Probe::ToldCommitted,
            Told::RolledBack => Probe::ToldRolledBack,
            Told::Unknown | Told::Heuristic(_) => Probe::ToldUnknown,
        }] += 1;
        let op = match self.desks[id.0].asked.take() {
            Some(op @ Op::Commit { .. }) => op,
            _ => {
                let op = Op::Rollback { transaction: transaction.clone() };
                self.invoke(id, op.clone());
                op
            }
        };
        let what = match (told, op) {
            (Told::Committed, op) | (Told::RolledBack, op @ Op::Rollback { .. }) => What::Ok(op),
            (Told::RolledBack, op) => What::Fail(op),
            (Told::Unknown | Told::Heuristic(_), op) => What::Unknown(op),
        };
        self.answered(id, what);
        if matches!(told, Told::Heuristic(_)) {
            self.probes[Probe::ToldHeuristic] += 1;
            let name = self.client_name(id);
            self.inform(&name, Fact::ToldHeuristic { transaction });
        }
    }

    /// What has become durable at the server since the last look.
    pub(super) fn watch(&mut self, id: ServerId) {
        if id == ServerId::Copy {
            return;
        }
        let Some(process) = &mut self.server(id).process else { return };
        let entries = process.take_durable();
        for entry in entries {
            let steps = self.watchers.entry(id).or_default().saw(&entry);
            for watcher::Step { transaction, stage, epoch } in steps {
                self.inform(id.name(), Fact::State { transaction, state: stage, epoch });
            }
        }
    }

    /// A vote of which the log says nothing: the branch is over.
    pub(super) fn has_only_read(&mut self, xid: &Xid) {
        self.probes[Probe::ReadOnlyVotes] += 1;
        let process = self.servers[&ServerId::Queues].process.as_ref();
        let epoch = process.and_then(|process| process.node().identity()).map_or(0, |identity| identity.epoch);
        let transaction = watcher::transaction(xid);
        self.inform(names::QUEUES, Fact::State { transaction, state: State::ReadOnly, epoch });
    }

    /// After a restart: what the server has made of its log is what there is to make of it.
    pub(super) fn compare(&mut self, id: ServerId) {
        let Some(process) = &self.server(id).process else { return };
        let (index, live) = (process.applied(), watcher::digest(process.node().store()));
        let watcher = self.watchers.entry(id).or_default();
        let (last, digest) = (watcher.last(), watcher.digest());
        if index < last {
            watcher.complaints.push(format!("entries {} to {last} were synced, and are gone", index + 1));
            return;
        }
        self.inform(id.name(), Fact::Applied { index: last, digest });
        self.inform(id.name(), Fact::Applied { index, digest: live });
    }
}

fn sent(message: &NewMessage) -> Message {
    match &message.body {
        NewBody::Inline(body) => self::message(body, &message.properties.label),
        other => panic!("no client sends {other:?}"),
    }
}

pub(super) fn message(body: &[u8], label: &str) -> Message {
    goods::message(&String::from_utf8_lossy(body), label)
}

/// What the driver, who sets the scene, is told of its send.
pub(super) fn plain_send(queue: String, message: Message, answer: &Result<Answer, Refusal>) -> [What; 2] {
    let op = Op::Send { transaction: None, queue, message };
    [What::Invoke(op.clone()), if answer.is_ok() { What::Ok(op) } else { What::Fail(op) }]
}
