//! Carries the coordinator's questions to its resources.

use std::sync::Arc;

use handfast_coordinator::drivers::Drivers;
use handfast_coordinator_core::{Ask, CallId, Resource};
use handfast_crash_points::{CrashPoint, reach_about};
use handfast_machine::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::core_thread::Core;
use super::limits::CALLS_UNDER_WAY_MAX;

/// One question; the coordinator bounds how many are open.
#[derive(Debug)]
pub struct Call {
    pub call: CallId,
    pub resource: Resource,
    pub ask: Ask,
}

/// Asks each question in a task of its own and feeds the answers back, until the core is gone.
pub async fn carry_calls(core: Core, drivers: Arc<Drivers>, mut calls: mpsc::Receiver<Call>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            call = calls.recv(), if open.len() < CALLS_UNDER_WAY_MAX => {
                let Some(Call { call, resource, ask }) = call else { return };
                let drivers = Arc::clone(&drivers);
                open.spawn(async move {
                    let question = name_of(&ask);
                    reach_about(CrashPoint::Asking, || [question]);
                    let result = drivers.call(&resource, ask).await;
                    reach_about(CrashPoint::Asked, || [question]);
                    (call, result)
                });
            }
            Some(answered) = open.join_next() => match answered {
                Ok((call, result)) => {
                    if core.event(Event::Called { call, result }).await.is_err() {
                        return;
                    }
                }
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
        }
    }
}

fn name_of(ask: &Ask) -> &'static str {
    match ask {
        Ask::Attach { .. } => "attach",
        Ask::Scan { .. } => "scan",
        Ask::Prepare { .. } => "prepare",
        Ask::Commit { .. } => "commit",
        Ask::Rollback { .. } => "rollback",
        Ask::Fence { .. } => "fence",
        Ask::ClearMarkers { .. } => "clear-markers",
        Ask::Forget { .. } => "forget",
    }
}
