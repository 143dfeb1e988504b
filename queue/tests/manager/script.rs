//! The language of the scenarios: one command a line.
//!
//! `cN VERB ...` is a request of connection N; requests are numbered from 1. Options follow as `word value` pairs.
//! `apply [N|all]` applies commands and tells the manager; `apply-quietly` applies all and keeps the results back until
//! `tell`. `tx ...` is the coordinator beside the manager. Times are milliseconds.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::{
    Bqual, Gtrid, MessageId, Priority, ProducerName, ProducerSequence, Properties, QueueName, RollbackReason, Xid,
};
use handfast_queue::manager::{
    Action, ConnectionId, Event, NewBody, NewMessage, Proposal, Request, RequestId, Resolved, Space,
};
use handfast_queue::{Blame, BodyId, Command, Done, QueueSettings, Refused, Work};

use crate::world::{MANAGER_ID, World};

pub struct Script {
    world: World,
    requests: u64,
    told_later: VecDeque<(Proposal, Result<Done, Refused>)>,
    /// The work of branches that the coordinator ended.
    ended: Vec<(String, Work)>,
}

impl Script {
    pub fn new() -> Script {
        Script { world: World::new(), requests: 0, told_later: VecDeque::new(), ended: Vec::new() }
    }

    pub fn run(&mut self, line: &str, out: &mut Vec<String>) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| word.parse::<u64>().unwrap_or_else(|_| panic!("{word:?} is no number: {line}"));
        let event = match words[..] {
            ["tick"] => Event::Tick,
            ["disconnect", connection] => Event::Disconnected { connection: connection_id(connection) },
            ["keepalive", connection] => Event::KeepAlive { connection: connection_id(connection) },
            ["advance", millis] => {
                self.world.now.0 += number(millis);
                return;
            }
            ["next-tick"] => {
                let next = self.world.manager.next_tick().map(|at| at.since(self.world.now).as_millis());
                return out.push(next.map_or_else(|| "never".to_owned(), |millis| format!("in {millis} ms")));
            }
            ["crash"] => {
                self.told_later.clear();
                return self.world.crash();
            }
            ["space", space] => {
                let space = if space == "low" { Space::Low } else { Space::Ample };
                return self.world.manager.set_space(space);
            }
            ["idle"] => {
                return out.push(
                    self.world.manager.check_idle().map_or_else(|leak| leak.to_string(), |()| "idle".to_owned()),
                );
            }
            ["settle"] => {
                // Nothing follows it, so nothing is checked.
                let mut actions = Vec::new();
                self.world.manager.settle(&mut actions);
                return self.show(&actions, out);
            }
            ["apply"] => return self.apply(1, out),
            ["apply", "all"] => return self.apply(u64::MAX, out),
            ["apply", count] => return self.apply(number(count), out),
            ["apply-quietly"] => {
                while let Some(result) = self.world.apply() {
                    self.told_later.push_back(result);
                }
                return;
            }
            ["tell"] => return self.tell(out),
            ["tx", ref rest @ ..] => return self.coordinate(rest, out),
            ["repeat", count, ref rest @ ..] => {
                (0..number(count)).for_each(|_| self.run(&rest.join(" "), out));
                return;
            }
            [connection, ref rest @ ..] => {
                self.requests += 1;
                let request = RequestId(self.requests);
                Event::Request { request, connection: connection_id(connection), ask: parse(rest) }
            }
            [] => return,
        };
        let actions = self.world.step(event);
        self.show(&actions, out);
    }

    fn apply(&mut self, count: u64, out: &mut Vec<String>) {
        for _ in 0..count {
            let Some((proposal, result)) = self.world.apply() else { return };
            self.told_later.push_back((proposal, result));
            self.tell(out);
        }
    }

    fn tell(&mut self, out: &mut Vec<String>) {
        while let Some((proposal, result)) = self.told_later.pop_front() {
            out.push(format!("applied {}: {}", proposal.0, self.world.show_result(&result)));
            let actions = self.world.step(Event::Applied { proposal, result });
            self.show(&actions, out);
        }
    }

    /// What the coordinator beside the manager does with its own branches.
    fn coordinate(&mut self, words: &[&str], out: &mut Vec<String>) {
        let now = self.world.now;
        let mut said = None;
        let actions = match *words {
            ["start", name, timeout] => {
                let deadline = now.after(millis(timeout));
                self.world
                    .work(|manager, _, _, _| said = Some(format!("{:?}", manager.start(xid(name), None, deadline))))
            }
            ["end", name] => {
                let mut work = None;
                let actions = self
                    .world
                    .work(|manager, state, store, out| work = Some(manager.end(state, store, now, &xid(name), out)));
                match work.unwrap() {
                    Ok(work) => self.ended.push((name.to_owned(), work)),
                    Err(reason) => said = Some(format!("ended: {reason}")),
                }
                actions
            }
            ["commit" | "prepare" | "hold", name] => {
                let place = self.ended.iter().position(|(ended, _)| ended == name).expect("end comes first");
                let work = self.ended.remove(place).1;
                let command = match words[0] {
                    "prepare" => Command::Prepare { xid: xid(name), work },
                    verb => Command::Commit { xid: xid(name), work, hold: verb == "hold" },
                };
                let result = self.world.apply_command(command);
                said = Some(format!("applied its own: {}", self.world.show_result(&result)));
                let how = match result {
                    Ok(Done::Committed(places)) if words[0] != "hold" => Resolved::Committed(places),
                    Ok(Done::Committed(_)) => Resolved::Committed(Vec::new()),
                    Ok(_) => Resolved::Prepared,
                    Err(_) => Resolved::RolledBack,
                };
                self.world.work(|manager, state, store, out| {
                    manager.resolved(state, store, now, &xid(name), how, out).unwrap();
                })
            }
            ["rollback", name] => self.world.work(|manager, state, store, out| {
                let reason = RollbackReason::Operator;
                manager.rollback(state, store, now, &xid(name), reason, None, out).unwrap();
            }),
            ["release", name] => {
                let result = self.world.apply_command(Command::Release { xid: xid(name) });
                said = Some(format!("applied its own: {}", self.world.show_result(&result)));
                let Ok(Done::Released(keys)) = result else { panic!("a release always succeeds") };
                self.world.work(|manager, state, store, out| manager.released(state, store, now, &keys, out).unwrap())
            }
            _ => panic!("unknown: tx {}", words.join(" ")),
        };
        out.extend(said);
        self.show(&actions, out);
    }

    fn show(&self, actions: &[Action], out: &mut Vec<String>) {
        out.extend(actions.iter().map(|action| match action {
            Action::Propose { proposal, command } => {
                format!("propose {}: {}", proposal.0, self.world.show_command(command))
            }
            Action::Answer { request, answer } => format!("answer {}: {}", request.0, self.world.show_answer(answer)),
        }));
    }
}

fn parse(words: &[&str]) -> Request {
    let option = |word: &str| words.iter().position(|found| *found == word).map(|place| words[place + 1]);
    let number = |word: &str| option(word).map(|value| value.parse::<u64>().unwrap());
    let flag = |word: &str| words.contains(&word);
    let wait = option("wait").map_or(Duration::ZERO, millis);
    let name = |place: usize| QueueName::new(words[place]).unwrap();
    match words[0] {
        "create" => {
            let small = |word| number(word).map(|count| u32::try_from(count).unwrap());
            let default = QueueSettings::default();
            let max_attempts = small("attempts").unwrap_or(default.max_attempts);
            let max_abandoned = small("abandoned").unwrap_or(default.max_abandoned);
            Request::CreateQueue { name: name(1), settings: QueueSettings { max_attempts, max_abandoned } }
        }
        "delete" => Request::DeleteQueue { name: name(1), discard: flag("discard") },
        "purge" => Request::Purge { name: name(1), to_dead_letter: flag("to-dead-letter") },
        "list" => Request::ListQueues,
        "show" => Request::ShowQueue { name: name(1) },
        "send" => {
            let count = number("count").unwrap_or(1);
            let producer = option("producer").map(|name| ProducerSequence {
                producer: ProducerName::new(name).unwrap(),
                epoch: number("epoch").unwrap_or(1),
                sequence: number("sequence").unwrap_or(0),
                mark: number("mark").unwrap_or(0),
            });
            let messages = (0..count).map(|_| new_message(words)).collect();
            Request::Send { xid: option("in").map(xid), producer, messages }
        }
        "stage" => {
            let body = option("body").map(|ordinal| BodyId(1 << 40 | ordinal.parse::<u64>().unwrap()));
            Request::StageBody { body, bytes: Bytes::from(vec![b'x'; words[1].parse().unwrap()]) }
        }
        "producer" => Request::ShowProducer { producer: ProducerName::new(words[1]).unwrap() },
        "receive" => Request::Receive { xid: option("in").map(xid), queue: name(1), wait },
        "peek" => Request::Peek { queue: name(1), after: None, limit: 10, body_bytes: 8 },
        "read" => {
            let body = BodyId(1 << 40 | words[1].parse::<u64>().unwrap());
            Request::ReadBody { body, part: words[2].parse().unwrap() }
        }
        "open" => Request::OpenExclusive { queue: name(1), wait },
        "close" => Request::CloseExclusive { queue: name(1) },
        "start" => {
            Request::Start { xid: xid(words[1]), timeout: option("timeout").map_or(Duration::from_secs(60), millis) }
        }
        "end" => Request::End { xid: xid(words[1]) },
        "prepare" => Request::Prepare { xid: xid(words[1]) },
        "commit" => Request::Commit { xid: xid(words[1]), one_phase: flag("one-phase") },
        "rollback" => {
            let failed = option("failed").map(|error| Blame::Message { error: error.to_owned() });
            let rejected = option("rejected").map(|error| Blame::Reject { error: error.to_owned() });
            Request::Rollback { xid: xid(words[1]), blame: failed.or(rejected) }
        }
        "recover" => Request::Recover { after: option("after").map(xid), limit: 2 },
        "forget" => Request::Forget { xid: xid(words[1]) },
        "dead-letter" => Request::ShowDeadLetter { id: message_id(words[1]) },
        "return" => Request::ReturnDeadLetters {
            ids: words[1..].iter().take_while(|word| word.starts_with('m')).map(|word| message_id(word)).collect(),
            to: option("to").map(|name| QueueName::new(name).unwrap()),
        },
        verb => panic!("unknown request: {verb}"),
    }
}

/// `send QUEUE BODY [size N] [body N] [priority N] [ttbr MS] [drop yes]`
fn new_message(words: &[&str]) -> NewMessage {
    let option = |word: &str| words.iter().position(|found| *found == word).map(|place| words[place + 1]);
    let body = match (option("size"), option("body")) {
        (Some(size), _) => NewBody::Inline(Bytes::from(vec![b'x'; size.parse().unwrap()])),
        (None, Some(body)) => NewBody::Staged(BodyId(1 << 40 | body.parse::<u64>().unwrap())),
        (None, None) => NewBody::Inline(Bytes::copy_from_slice(words[2].as_bytes())),
    };
    let properties = Properties {
        priority: option("priority")
            .map_or_else(Priority::default, |value| Priority::new(value.parse().unwrap()).unwrap()),
        time_to_be_received: option("ttbr").map(millis),
        drop_expired: words.contains(&"drop"),
        ..Properties::default()
    };
    NewMessage { queue: QueueName::new(words[1]).unwrap(), properties, body }
}

fn millis(word: &str) -> Duration {
    Duration::from_millis(word.parse().unwrap())
}

fn message_id(word: &str) -> MessageId {
    let counter: u64 = word.trim_start_matches('m').parse().unwrap();
    MessageId { manager: MANAGER_ID, ordinal: 1 << 40 | counter }
}

fn connection_id(word: &str) -> ConnectionId {
    ConnectionId(word.trim_start_matches('c').parse().unwrap_or_else(|_| panic!("unknown: {word}")))
}

pub fn xid(word: &str) -> Xid {
    let gtrid = Gtrid::new(Bytes::copy_from_slice(word.as_bytes())).unwrap();
    Xid { format_id: 1, gtrid, bqual: Bqual::new(Bytes::new()).unwrap() }
}
