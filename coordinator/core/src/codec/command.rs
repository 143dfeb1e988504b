//! The stored form of commands. The number of a variant is its place: new ones go to the end.

use handfast_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::ResourceRecord;
use super::{
    CommandUnreadable, IdForm, RecordUnreadable, VERSION, decode, encode, heuristic, heuristic_number, name, outcome,
    outcome_number,
};
use crate::{Branch, Command};

#[derive(Debug, Serialize, Deserialize)]
enum CommandForm {
    AddResource { name: String, resource: ResourceRecord },
    RemoveResource { name: String },
    Delegate { id: IdForm, resource: String, branches: Vec<String> },
    Decide { id: IdForm, branches: Vec<String> },
    Conclude { id: IdForm, outcome: u8, forced: bool },
    Acknowledge { id: IdForm, resource: String, heuristic: Option<u8> },
    Forget { id: IdForm },
    ForgetOutcomes { before: u64 },
    MarkersCleared { resource: String, through: IdForm },
}

/// Appends the stored form of `command`.
pub fn encode_command(command: &Command, into: &mut Vec<u8>) {
    encode(&to_form(command), into);
}

/// Reads what [`encode_command`] wrote.
pub fn decode_command(bytes: &[u8]) -> Result<Command, CommandUnreadable> {
    decode(bytes).and_then(from_form).map_err(|cause| match cause {
        RecordUnreadable::Version { version } => CommandUnreadable::Version { version, newest: VERSION },
        RecordUnreadable::Empty | RecordUnreadable::Malformed(_) => {
            CommandUnreadable::Malformed { cause: cause.to_string() }
        }
    })
}

fn to_form(command: &Command) -> CommandForm {
    match command {
        Command::AddResource { resource } => {
            CommandForm::AddResource { name: resource.name.to_string(), resource: ResourceRecord::new(resource, None) }
        }
        Command::RemoveResource { name } => CommandForm::RemoveResource { name: name.to_string() },
        Command::Delegate { id, resource, branches } => {
            CommandForm::Delegate { id: (*id).into(), resource: resource.to_string(), branches: names_of(branches) }
        }
        Command::Decide { id, branches } => CommandForm::Decide { id: (*id).into(), branches: names_of(branches) },
        Command::Conclude { id, outcome, forced } => {
            CommandForm::Conclude { id: (*id).into(), outcome: outcome_number(*outcome), forced: *forced }
        }
        Command::Acknowledge { id, resource, heuristic } => CommandForm::Acknowledge {
            id: (*id).into(),
            resource: resource.to_string(),
            heuristic: heuristic.map(heuristic_number),
        },
        Command::Forget { id } => CommandForm::Forget { id: (*id).into() },
        Command::ForgetOutcomes { before } => CommandForm::ForgetOutcomes { before: before.0 },
        Command::MarkersCleared { resource, through } => {
            CommandForm::MarkersCleared { resource: resource.to_string(), through: (*through).into() }
        }
    }
}

fn from_form(form: CommandForm) -> Result<Command, RecordUnreadable> {
    Ok(match form {
        CommandForm::AddResource { name: text, resource } => {
            Command::AddResource { resource: resource.resource(name(text)?)? }
        }
        CommandForm::RemoveResource { name: text } => Command::RemoveResource { name: name(text)? },
        CommandForm::Delegate { id, resource, branches } => {
            Command::Delegate { id: id.into(), resource: name(resource)?, branches: branches_named(branches)? }
        }
        CommandForm::Decide { id, branches } => Command::Decide { id: id.into(), branches: branches_named(branches)? },
        CommandForm::Conclude { id, outcome: number, forced } => {
            Command::Conclude { id: id.into(), outcome: outcome(number)?, forced }
        }
        CommandForm::Acknowledge { id, resource, heuristic: number } => Command::Acknowledge {
            id: id.into(),
            resource: name(resource)?,
            heuristic: number.map(heuristic).transpose()?,
        },
        CommandForm::Forget { id } => Command::Forget { id: id.into() },
        CommandForm::ForgetOutcomes { before } => Command::ForgetOutcomes { before: Timestamp(before) },
        CommandForm::MarkersCleared { resource, through } => {
            Command::MarkersCleared { resource: name(resource)?, through: through.into() }
        }
    })
}

fn names_of(branches: &[Branch]) -> Vec<String> {
    branches.iter().map(|branch| branch.resource.to_string()).collect()
}

fn branches_named(names: Vec<String>) -> Result<Vec<Branch>, RecordUnreadable> {
    names.into_iter().map(|text| Ok(Branch { resource: name(text)? })).collect()
}
