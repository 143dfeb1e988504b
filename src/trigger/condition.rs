//! Whether a trigger gets on, told once when it changes and not at every try.

use std::sync::{Mutex, PoisonError};

/// Where the trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Server,
    Database,
}

/// Shared by the workers.
#[derive(Debug, Default)]
pub struct Condition {
    trouble: Mutex<Option<Place>>,
}

impl Condition {
    pub fn troubled(&self, place: Place, what: &str) {
        if self.change(Some(place)) != Some(place) {
            tracing::warn!("{what}; trying again until it works");
        }
    }

    /// Work was done that needs both the server and the database.
    pub fn well(&self) {
        if self.change(None).is_some() {
            tracing::warn!("working again");
        }
    }

    /// The server has answered.
    pub fn reached(&self) {
        if *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) == Some(Place::Server) {
            self.well();
        }
    }

    /// What it was before.
    fn change(&self, to: Option<Place>) -> Option<Place> {
        std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), to)
    }
}
