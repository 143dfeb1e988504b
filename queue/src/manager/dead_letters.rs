//! Dead letters as they are looked at and sent back (design D10).

use handfast_protocol::{MessageId, QueueName};

use super::in_flight::Continuation;
use super::limits::REQUEST_MESSAGES_MAX;
use super::locks::Owner;
use super::queues::{named, received};
use super::turn::{Caller, Reply, Stop, Turn};
use super::window::Reading;
use super::{Answer, Manager, RequestRefused};
use crate::{Command, MessageKey, Refused, StoredMessage};

impl Manager {
    pub(super) fn show_dead_letter(turn: &Turn<'_>, id: MessageId) -> Reply {
        let (key, message) = dead_letter(turn, id)?;
        let status = turn.state.status(turn.store, &key)?;
        let shown = received(&QueueName::dead_letter(), key, Reading { message, status });
        Ok(Some(Answer::Peeked(vec![shown])))
    }

    /// All of them or none. Until it is applied nobody else may receive them.
    pub(super) fn return_dead_letters(
        &mut self,
        turn: &mut Turn<'_>,
        caller: Caller,
        ids: &[MessageId],
        to: Option<QueueName>,
    ) -> Reply {
        if ids.len() > REQUEST_MESSAGES_MAX {
            return Err(RequestRefused::TooManyMessages { count: ids.len(), limit: REQUEST_MESSAGES_MAX }.into());
        }
        let to = match to {
            Some(name) => Some(named(turn, &name)?.id),
            None => None,
        };
        if to == Some(crate::QueueId::DEAD_LETTER) {
            return Err(Refused::DeadLetterQueue.into());
        }
        let mut messages: Vec<MessageKey> = Vec::new();
        for id in ids {
            let (key, message) = dead_letter(turn, *id)?;
            if !self.is_free(turn, &key) {
                return Err(RequestRefused::DeadLetterLocked { id: *id }.into());
            }
            let origin = message.dead_letter.map(|letter| letter.queue);
            if let (None, Some(name)) = (to, origin)
                && turn.state.queue_named(&name).is_none()
            {
                return Err(RequestRefused::OriginGone { id: *id, name }.into());
            }
            if !messages.contains(&key) {
                messages.push(key);
            }
        }
        if messages.is_empty() {
            return Ok(Some(Answer::Done));
        }
        for key in &messages {
            self.ready.touch(key.queue, |window| window.forget(key));
            self.locks.lock(*key, Owner::Command);
        }
        let command = Command::ReturnDeadLetters { messages: messages.clone(), to };
        let continuation = Continuation::ReturnDeadLetters { request: caller.request, messages };
        self.in_flight.propose(turn.out, command, continuation);
        Ok(None)
    }
}

fn dead_letter(turn: &Turn<'_>, id: MessageId) -> Result<(MessageKey, StoredMessage), Stop> {
    let gone = RequestRefused::DeadLetterNotFound { id };
    let Some(key) = turn.state.dead_letter_key(turn.store, id)? else { return Err(gone.into()) };
    let Some(message) = turn.state.message(turn.store, &key)? else { return Err(gone.into()) };
    Ok((key, message))
}
