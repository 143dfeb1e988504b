//! The task of a session: makes a connection when one is needed, lets it work until it is lost, and answers for those whom
//! it could not serve.
//!
//! - There is a connection: [`Link::serve`] takes orders, until it is lost; whoever waits then is told Lost.
//! - There is none: the next order makes one, after a pause that grows with each failure; whoever waits then is told
//!   Unreachable, and may come again. Nothing is kept for later: only its owner knows whether it may be done again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::error::RequestError;
use crate::limits::{RECONNECT_PAUSE_MAX, RECONNECT_PAUSE_MIN};
use crate::session::link::{Link, Served};
use crate::session::place::Place;
use crate::session::{Order, Shared};

pub async fn run(place: Place, shared: Arc<Shared>, mut orders: mpsc::Receiver<Order>) {
    let mut generation = 0;
    let mut next_attempt = Instant::now();
    let mut pause = RECONNECT_PAUSE_MIN;
    while let Some(order) = orders.recv().await {
        if let Order::Tell { .. } = order {
            continue; // What it speaks of ended with its connection.
        }
        tokio::time::sleep_until(next_attempt).await;
        match Link::connect(&place, &shared, generation + 1).await {
            Ok(link) => {
                generation += 1;
                pause = RECONNECT_PAUSE_MIN;
                shared.generation.store(generation, Ordering::Release);
                let served = link.serve(order, &mut orders, &shared).await;
                shared.generation.store(0, Ordering::Release);
                match served {
                    Served::Finished => return,
                    Served::Lost => {}
                }
            }
            Err(error) => {
                tracing::debug!(server = %shared.server, %error, "no connection");
                refuse_waiting(order, &mut orders, &error);
                pause = RECONNECT_PAUSE_MAX.min(pause * 2);
            }
        }
        next_attempt = Instant::now() + spread(pause);
    }
}

/// Everyone who waited for this attempt is told how it ended.
fn refuse_waiting(first: Order, orders: &mut mpsc::Receiver<Order>, error: &RequestError) {
    first.fail(error);
    while let Ok(order) = orders.try_recv() {
        order.fail(error);
    }
}

/// Between half of the pause and all of it, differing from process to process: clients that lost the same server do not come
/// back all at once.
fn spread(pause: Duration) -> Duration {
    let part = u32::from(std::process::id().to_le_bytes()[0]);
    pause / 2 + pause * part / 512
}

impl Order {
    /// Tells whoever waits, if somebody does.
    pub(super) fn fail(self, error: &RequestError) {
        match self {
            // A receiver that is gone needs no answer.
            Order::Ask { reply, .. } => drop(reply.send(Err(error.clone()))),
            Order::Connection { reply } => drop(reply.send(Err(error.clone()))),
            Order::Tell { .. } => {}
        }
    }
}
