//! Messages as an application makes them, and as it gets them.

use std::ops::Deref;
use std::time::Duration;

use bytes::Bytes;
use handfast_protocol::limits::BODY_BYTES_MAX;
use handfast_protocol::{MessageInvalid, Priority, Properties, QueueName};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message to send: a body, and properties where the defaults do not do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    pub properties: Properties,
    pub body: Bytes,
}

impl Message {
    pub fn bytes(body: impl Into<Bytes>) -> Message {
        Message { properties: Properties::default(), body: body.into() }
    }

    pub fn text(body: impl Into<String>) -> Message {
        Message::bytes(body.into())
    }

    /// Fails only where `value` cannot be JSON, such as a map whose keys are not strings.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Message, serde_json::Error> {
        serde_json::to_vec(value).map(Message::bytes)
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Message {
        self.properties.label = label.into();
        self
    }

    /// By custom the id of the message that this one answers.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<Bytes>) -> Message {
        self.properties.correlation_id = id.into();
        self
    }

    #[must_use]
    pub fn response_queue(mut self, queue: QueueName) -> Message {
        self.properties.response_queue = Some(queue);
        self
    }

    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Message {
        self.properties.priority = priority;
        self
    }

    /// After this time in the queue it moves to the dead-letter queue.
    #[must_use]
    pub fn time_to_be_received(mut self, span: Duration) -> Message {
        self.properties.time_to_be_received = Some(span);
        self
    }

    /// After its time to be received it is dropped in place of moving to the dead-letter queue.
    #[must_use]
    pub fn drop_expired(mut self) -> Message {
        self.properties.drop_expired = true;
        self
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Message {
        self.properties.extension.push((name.into(), value.into()));
        self
    }

    /// What it takes of a request, about.
    pub(crate) fn weight(&self) -> usize {
        let headers: usize = self.properties.extension.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.properties.label.len() + headers + self.body.len()
    }

    /// The limits that hold for every queue manager; one with a smaller limit refuses on its own.
    pub fn check(&self) -> Result<(), MessageInvalid> {
        if self.body.len() > BODY_BYTES_MAX {
            return Err(MessageInvalid::BodyTooLong { bytes: self.body.len() });
        }
        self.properties.check()
    }
}

/// A message that was received, with its whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The queue it was received from.
    pub queue: QueueName,
    pub message: handfast_protocol::Message,
}

impl Received {
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.message.body)
    }

    pub fn text(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(&self.message.body)
    }
}

impl Deref for Received {
    type Target = handfast_protocol::Message;

    fn deref(&self) -> &handfast_protocol::Message {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_set_one_by_one() {
        let message =
            Message::json(&[1, 2]).unwrap().label("pair").priority(Priority::HIGHEST).header("a", "b").drop_expired();
        let properties = Properties {
            label: "pair".into(),
            priority: Priority::HIGHEST,
            extension: vec![("a".into(), Bytes::from("b"))],
            drop_expired: true,
            ..Properties::default()
        };
        assert_eq!(message, Message { properties, body: Bytes::from("[1,2]") });
    }

    #[test]
    fn a_message_over_the_limit_is_refused_before_it_is_sent() {
        let message = Message::bytes(vec![0; BODY_BYTES_MAX + 1]);
        assert_eq!(message.check(), Err(MessageInvalid::BodyTooLong { bytes: BODY_BYTES_MAX + 1 }));
        assert_eq!(Message::bytes(vec![0; BODY_BYTES_MAX]).check(), Ok(()));
    }
}
