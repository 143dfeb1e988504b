//! What clients did and were told, in the order in which it happened: one half of what the checker judges.

use handfast_protocol::{GlobalId, Heuristic};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Began {
        id: GlobalId,
    },
    /// The transaction has received this order.
    Took {
        id: GlobalId,
        order: String,
    },
    Told {
        id: GlobalId,
        outcome: Told,
    },
}

/// How a client's transaction ended, as the client knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Committed,
    RolledBack,
    /// The client died, or nobody could say.
    Unknown,
    Heuristic(Heuristic),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    pub events: Vec<Event>,
}

impl History {
    /// The transactions whose clients were told their end.
    pub fn told(&self) -> impl Iterator<Item = (GlobalId, Told)> {
        self.events.iter().filter_map(|event| match event {
            Event::Told { id, outcome } => Some((*id, *outcome)),
            Event::Began { .. } | Event::Took { .. } => None,
        })
    }
}
