//! Commands, results and answers in one line each.

use handfast_protocol::{MessageId, Xid};
use handfast_queue::command::Fate;
use handfast_queue::manager::{Answer, Received, RequestRefused};
use handfast_queue::{Blame, Body, Command, Done, MessageKey, OutgoingMessage, QueueId, Refused, Work};

use crate::world::World;

impl World {
    pub fn show_command(&self, command: &Command) -> String {
        match command {
            Command::CreateQueue { name, .. } => format!("CreateQueue {name}"),
            Command::DeleteQueue { queue, fate } => format!("DeleteQueue {} {}", self.queue(*queue), show_fate(*fate)),
            Command::Sweep { queue: _, from, through, limit, locked, fate } => format!(
                "Sweep {}..={} limit {limit} locked {} {}",
                self.key(from),
                self.key(through),
                self.keys(locked),
                show_fate(*fate)
            ),
            Command::Expire { messages } => format!("Expire {}", self.keys(messages)),
            Command::Send { producer, sends } => {
                let producer = producer.as_ref().map(|p| format!(" by {} {}/{}", p.producer, p.epoch, p.sequence));
                format!("Send {}{}", self.sends(sends), producer.unwrap_or_default())
            }
            Command::StageBody { body, part, bytes } => {
                format!("StageBody {} part {part} ({} bytes)", ordinal(body.0), bytes.len())
            }
            Command::StageWork { stage, part, work } => {
                format!("StageWork {} part {part} {}", ordinal(stage.0), self.show_work(work))
            }
            Command::Unstage { stages, bodies } => {
                let list = |ordinals: Vec<String>| format!("[{}]", ordinals.join(" "));
                let stages = list(stages.iter().map(|stage| ordinal(stage.0)).collect());
                let bodies = list(bodies.iter().map(|body| ordinal(body.0)).collect());
                format!("Unstage stages {stages} bodies {bodies}")
            }
            Command::Commit { xid, work, hold } => {
                format!("Commit {} {}{}", show_xid(xid), self.show_work(work), held(*hold))
            }
            Command::Prepare { xid, work } => format!("Prepare {} {}", show_xid(xid), self.show_work(work)),
            Command::CommitPrepared { xid, hold } => format!("CommitPrepared {}{}", show_xid(xid), held(*hold)),
            Command::RollbackPrepared { xid } => format!("RollbackPrepared {}", show_xid(xid)),
            Command::Release { xid } => format!("Release {}", show_xid(xid)),
            Command::Return { messages, blame } => format!("Return {} {}", self.keys(messages), show_blame(blame)),
            Command::ReturnDeadLetters { messages, to } => {
                let to = to.map_or_else(|| "its origin".to_owned(), |queue| self.queue(queue));
                format!("ReturnDeadLetters {} to {to}", self.keys(messages))
            }
        }
    }

    pub fn show_result(&self, result: &Result<Done, Refused>) -> String {
        match result {
            Ok(Done::Created(queue)) => format!("Created {}", self.queue(*queue)),
            Ok(Done::Deleting) => "Deleting".to_owned(),
            Ok(Done::Swept { removed, next }) => {
                format!("Swept {removed} next {}", next.map_or_else(|| "none".to_owned(), |key| self.key(&key)))
            }
            Ok(Done::Removed(keys)) => format!("Removed {}", self.keys(keys)),
            Ok(Done::Sent(keys)) => format!("Sent {}", self.keys(keys)),
            Ok(Done::Repeated(ids)) => format!("Repeated {}", show_ids(ids)),
            Ok(Done::Staged) => "Staged".to_owned(),
            Ok(Done::Committed(keys)) => format!("Committed {}", self.keys(keys)),
            Ok(Done::Prepared) => "Prepared".to_owned(),
            Ok(Done::RolledBack(keys)) => format!("RolledBack {}", self.keys(keys)),
            Ok(Done::Released(keys)) => format!("Released {}", self.keys(keys)),
            Err(refused) => format!("refused: {refused}"),
        }
    }

    pub fn show_answer(&self, answer: &Result<Answer, RequestRefused>) -> String {
        match answer {
            Ok(Answer::Queues(queues)) => queues.iter().map(|view| view.name.to_string()).collect::<Vec<_>>().join(" "),
            Ok(Answer::Queue(view)) => format!(
                "{} messages {} bytes {} locked {} in_doubt {} waiting {} exclusive {}",
                view.name,
                view.messages,
                view.bytes,
                view.locked,
                view.in_doubt,
                view.waiting_receives,
                view.exclusive_reader
            ),
            Ok(Answer::Sent { ids, repeated }) => {
                format!("Sent {}{}", show_ids(ids), if *repeated { " repeated" } else { "" })
            }
            Ok(Answer::Staged { body }) => format!("Staged {}", ordinal(body.0)),
            Ok(Answer::Received(received)) => format!("Received {}", self.received(received)),
            Ok(Answer::Peeked(page)) => {
                let page: Vec<String> = page.iter().map(|received| self.received(received)).collect();
                format!("Peeked [{}]", page.join(", "))
            }
            Ok(Answer::BodyPart(bytes)) => format!("BodyPart of {} bytes", bytes.len()),
            Ok(Answer::Branches(xids)) => {
                format!("Branches [{}]", xids.iter().map(show_xid).collect::<Vec<_>>().join(" "))
            }
            Ok(answer) => format!("{answer:?}"),
            Err(RequestRefused::BodyNotStaged { body }) => format!("refused: body {} is not staged", ordinal(body.0)),
            Err(refused) => format!("refused: {refused}"),
        }
    }

    fn received(&self, received: &Received) -> String {
        let message = &received.message;
        let body = match received.apart {
            Some((body, length)) => format!("apart {} of {length} bytes", ordinal(body.0)),
            None if message.body.len() > 40 => format!("{} bytes", message.body.len()),
            None => format!("{:?}", String::from_utf8_lossy(&message.body)),
        };
        let count = |word: &str, count: u32| if count > 0 { format!(" {word} {count}") } else { String::new() };
        let dead = message.dead_letter.as_ref();
        let dead = dead.map(|dead| format!(" dead from {} by {} {:?}", dead.queue, dead.reason, dead.error));
        format!(
            "{} m{} {body}{}{}{}",
            self.key(&received.key),
            ordinal(message.id.ordinal),
            count("attempts", message.attempts),
            count("abandoned", message.abandoned),
            dead.unwrap_or_default()
        )
    }

    fn show_work(&self, work: &Work) -> String {
        let stage = work.stage.map(|stage| format!("stage {} ", ordinal(stage.0))).unwrap_or_default();
        format!("{stage}receives {} sends {}", self.keys(&work.receives), self.sends(&work.sends))
    }

    fn sends(&self, sends: &[OutgoingMessage]) -> String {
        let show = |send: &OutgoingMessage| {
            let apart = match &send.body {
                Body::Inline(_) => String::new(),
                Body::Apart { body, length } => format!(" apart {} of {length}", ordinal(body.0)),
            };
            format!("{}:m{}{apart}", self.queue(send.queue), ordinal(send.id.ordinal))
        };
        if sends.len() > 8 {
            return format!("[{} .. {}: {}]", show(&sends[0]), show(&sends[sends.len() - 1]), sends.len());
        }
        format!("[{}]", sends.iter().map(show).collect::<Vec<_>>().join(" "))
    }

    fn keys(&self, keys: &[MessageKey]) -> String {
        if keys.len() > 8 {
            return format!("[{} .. {}: {}]", self.key(&keys[0]), self.key(&keys[keys.len() - 1]), keys.len());
        }
        format!("[{}]", keys.iter().map(|key| self.key(key)).collect::<Vec<_>>().join(" "))
    }

    fn key(&self, key: &MessageKey) -> String {
        let part = |value: u64, max: u64| if value == max { "max".to_owned() } else { value.to_string() };
        format!("{}/{}.{}", self.queue(key.queue), part(key.band.into(), u8::MAX.into()), part(key.sequence, u64::MAX))
    }

    fn queue(&self, id: QueueId) -> String {
        self.state.queue(id).map_or_else(|| format!("#{}", id.0), |record| record.name.to_string())
    }
}

/// The counter of the first epoch, or epoch and counter.
pub fn ordinal(ordinal: u64) -> String {
    let (epoch, counter) = (ordinal >> 40, ordinal & ((1 << 40) - 1));
    if epoch == 1 { counter.to_string() } else { format!("{epoch}:{counter}") }
}

fn show_ids(ids: &[MessageId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("m{}", ordinal(id.ordinal))).collect();
    if ids.len() > 8 {
        return format!("[{} .. {}: {}]", ids[0], ids[ids.len() - 1], ids.len());
    }
    format!("[{}]", ids.join(" "))
}

/// Xids of scripts are words; the manager's own end with an ordinal.
fn show_xid(xid: &Xid) -> String {
    match std::str::from_utf8(xid.gtrid.as_bytes()) {
        Ok(word) if xid.format_id == 1 => word.to_owned(),
        _ => {
            let gtrid = xid.gtrid.as_bytes();
            let last: [u8; 8] = gtrid[gtrid.len() - 8..].try_into().unwrap();
            format!("own-{}", ordinal(u64::from_be_bytes(last)))
        }
    }
}

fn show_fate(fate: Fate) -> String {
    match fate {
        Fate::Discard => "discard".to_owned(),
        Fate::DeadLetter(reason) => format!("to dead letters: {reason}"),
    }
}

fn show_blame(blame: &Blame) -> String {
    match blame {
        Blame::Message { error } => format!("failed: {error}"),
        Blame::Reject { error } => format!("rejected: {error}"),
        Blame::Vanished => "vanished".to_owned(),
    }
}

fn held(hold: bool) -> &'static str {
    if hold { " held" } else { "" }
}
