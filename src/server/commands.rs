//! What an entry is about, by name: for the crash points, which are asked for by it.

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_machine::{Command, Entry, decode_batch};
use handfast_queue as queue;

/// The names of an entry's commands; of one that cannot be read, none.
pub fn commands_of(payload: &Bytes) -> Vec<&'static str> {
    let Ok(batch) = decode_batch(payload) else { return Vec::new() };
    batch.commands.iter().flat_map(names).collect()
}

pub fn commands_of_all(entries: &[Entry]) -> Vec<&'static str> {
    entries.iter().filter_map(|entry| entry.payload.as_ref()).flat_map(commands_of).collect()
}

fn names(command: &Command) -> Vec<&'static str> {
    match command {
        Command::BeginEpoch { .. } => vec!["begin-epoch"],
        Command::Queue(command) => vec![of_queue(command)],
        Command::Coordinator(command) => vec![of_coordinator(command)],
        Command::Together { queue, coordinator } => vec![of_queue(queue), of_coordinator(coordinator)],
        Command::Attach { .. } => vec!["attach"],
    }
}

fn of_queue(command: &queue::Command) -> &'static str {
    use queue::Command;
    match command {
        Command::CreateQueue { .. } => "create-queue",
        Command::DeleteQueue { .. } => "delete-queue",
        Command::Sweep { .. } => "sweep",
        Command::Expire { .. } => "expire",
        Command::Send { .. } => "send",
        Command::StageBody { .. } => "stage-body",
        Command::StageWork { .. } => "stage-work",
        Command::Unstage { .. } => "unstage",
        Command::Commit { .. } => "commit",
        Command::Prepare { .. } => "prepare",
        Command::CommitPrepared { .. } => "commit-prepared",
        Command::RollbackPrepared { .. } => "rollback-prepared",
        Command::Release { .. } => "release",
        Command::Return { .. } => "return",
        Command::ReturnDeadLetters { .. } => "return-dead-letters",
    }
}

fn of_coordinator(command: &coordinator::Command) -> &'static str {
    use coordinator::Command;
    match command {
        Command::AddResource { .. } => "add-resource",
        Command::RemoveResource { .. } => "remove-resource",
        Command::Delegate { .. } => "delegate",
        Command::Decide { .. } => "decide",
        Command::Conclude { .. } => "conclude",
        Command::Acknowledge { .. } => "acknowledge",
        Command::Forget { .. } => "forget",
        Command::ForgetOutcomes { .. } => "forget-outcomes",
        Command::MarkersCleared { .. } => "markers-cleared",
    }
}
