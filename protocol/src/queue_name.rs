//! The names of queues, by MSMQ's rules.

use std::fmt;

use crate::limits::QUEUE_NAME_CHARS_MAX;

/// 1 to 124 characters, none of `\ ; + , "` and no control characters. Names that differ only in case are the same queue.
#[derive(Clone, Debug, Eq)]
pub struct QueueName {
    /// As its creator wrote it.
    shown: String,
    /// What is compared: the lowercase of `shown`.
    folded: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueNameError {
    #[error("a queue name is 1 to {QUEUE_NAME_CHARS_MAX} characters; {name:?} has {chars}")]
    Length { name: String, chars: usize },
    #[error("queue name {name:?} contains {character:?}; \\ ; + , \" and control characters are not allowed")]
    Character { name: String, character: char },
}

impl QueueName {
    pub fn new(name: impl Into<String>) -> Result<QueueName, QueueNameError> {
        let name = name.into();
        let chars = name.chars().count();
        if !(1..=QUEUE_NAME_CHARS_MAX).contains(&chars) {
            return Err(QueueNameError::Length { name, chars });
        }
        if let Some(character) = name.chars().find(|c| c.is_control() || "\\;+,\"".contains(*c)) {
            return Err(QueueNameError::Character { name, character });
        }
        Ok(QueueName { folded: name.to_lowercase(), shown: name })
    }

    /// The one dead-letter queue of a queue manager (P27).
    pub fn dead_letter() -> QueueName {
        QueueName { shown: "dead-letter".to_owned(), folded: "dead-letter".to_owned() }
    }

    /// As its creator wrote it.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The form in which names are compared and stored as keys.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl PartialEq for QueueName {
    fn eq(&self, other: &QueueName) -> bool {
        self.folded == other.folded
    }
}

impl PartialOrd for QueueName {
    fn partial_cmp(&self, other: &QueueName) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for QueueName {
    fn cmp(&self, other: &QueueName) -> std::cmp::Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl std::hash::Hash for QueueName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_character_rules_of_msmq() {
        let longest = "ö".repeat(124);
        for name in ["orders", "Orders 2026/eu", "q.$-_!", longest.as_str()] {
            assert_eq!(QueueName::new(name).unwrap().as_str(), name);
        }
        let too_long = "q".repeat(125);
        let refused = [
            ("", QueueNameError::Length { name: String::new(), chars: 0 }),
            (too_long.as_str(), QueueNameError::Length { name: too_long.clone(), chars: 125 }),
            ("a;b", QueueNameError::Character { name: "a;b".into(), character: ';' }),
            ("a\nb", QueueNameError::Character { name: "a\nb".into(), character: '\n' }),
            ("a\"b", QueueNameError::Character { name: "a\"b".into(), character: '"' }),
        ];
        for (name, error) in refused {
            assert_eq!(QueueName::new(name), Err(error));
        }
    }

    #[test]
    fn case_is_kept_and_not_compared() {
        let (one, other) = (QueueName::new("Orders").unwrap(), QueueName::new("ORDERS").unwrap());
        assert_eq!(one, other);
        assert_eq!(one.cmp(&other), std::cmp::Ordering::Equal);
        assert_eq!(one.as_str(), "Orders");
    }
}
