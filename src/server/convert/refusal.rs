//! Refusals to the wire: a code for programs, a text that names the thing, the reason and the remedy for people.

use handfast_coordinator_core as coordinator;
use handfast_machine::Refusal;
use handfast_queue as queue;
use handfast_queue::manager;
use handfast_wire::v1::refusal::Code;
use handfast_wire::{Malformed, v1};

/// The machine refused.
pub fn refusal(refusal: &Refusal) -> v1::Reply {
    let code = match refusal {
        Refusal::Queue(refused) => of_request(refused),
        Refusal::Coordinator(refused) => of_coordinator(refused),
        Refusal::NotLeader => Code::NotLeader,
        Refusal::OwnCoordinator => Code::Invalid,
        _ => Code::Unspecified,
    };
    let expected = match refusal {
        Refusal::Queue(manager::RequestRefused::Refused(queue::Refused::ProducerGap { expected, .. })) => *expected,
        _ => 0,
    };
    answer(code, refusal.to_string(), expected)
}

/// The frame does not say what it should.
pub fn malformed(malformed: &Malformed) -> v1::Reply {
    answer(Code::Invalid, malformed.to_string(), 0)
}

/// The shell itself refused.
pub fn refused(code: Code, text: impl std::fmt::Display) -> v1::Reply {
    answer(code, text.to_string(), 0)
}

/// The server is going down; what was asked may have happened.
pub fn stopping() -> v1::Reply {
    answer(Code::Stopping, "the server is stopping; try again when it is back".to_owned(), 0)
}

fn answer(code: Code, text: String, expected: u64) -> v1::Reply {
    let refusal = v1::Refusal { code: code.into(), text, expected };
    v1::Reply { answer: Some(v1::reply::Answer::Refusal(refusal)) }
}

fn of_request(refused: &manager::RequestRefused) -> Code {
    use manager::RequestRefused;
    match refused {
        RequestRefused::QueueNotFound { .. } => Code::QueueNotFound,
        RequestRefused::SharingViolation { .. } => Code::SharingViolation,
        RequestRefused::TransactionNotActive { .. } => Code::TransactionNotActive,
        RequestRefused::RolledBack { .. } => Code::RolledBack,
        RequestRefused::DuplicateXid { .. } => Code::DuplicateXid,
        RequestRefused::NotEnded { .. } | RequestRefused::NotPrepared { .. } => Code::Invalid,
        RequestRefused::Message(_) | RequestRefused::BodyNotStaged { .. } | RequestRefused::Reason { .. } => {
            Code::Invalid
        }
        RequestRefused::TooMuchActive { .. }
        | RequestRefused::TooMuchStaged { .. }
        | RequestRefused::TooManyWaiting { .. } => Code::TooMuch,
        RequestRefused::NoSpace => Code::NoSpace,
        RequestRefused::DeadLetterNotFound { .. } => Code::NotFound,
        RequestRefused::OriginGone { .. } => Code::QueueNotFound,
        RequestRefused::Refused(refused) => of_queue(refused),
        RequestRefused::Unknown => Code::Unknown,
        _ => Code::Unspecified,
    }
}

fn of_queue(refused: &queue::Refused) -> Code {
    use queue::Refused;
    match refused {
        Refused::QueueExists { .. } => Code::QueueExists,
        Refused::TooManyQueues { .. } => Code::TooMuch,
        Refused::QueueGone { .. } => Code::QueueNotFound,
        Refused::DeadLetterQueue => Code::Invalid,
        Refused::QueueInDoubt { .. } => Code::InDoubt,
        Refused::Conflict | Refused::StageGone => Code::RolledBack,
        Refused::UnknownXid { .. } => Code::TransactionNotActive,
        Refused::DuplicateXid { .. } => Code::DuplicateXid,
        Refused::ProducerFenced { .. } => Code::ProducerFenced,
        Refused::ProducerGap { .. } => Code::ProducerGap,
        Refused::ProducerUnknown { .. } | Refused::ProducerForgotten { .. } => Code::ProducerUnknown,
        Refused::ProducerDiverged { .. } => Code::ProducerDiverged,
        Refused::DeadLetterGone { .. } => Code::NotFound,
        _ => Code::Unspecified,
    }
}

fn of_coordinator(refused: &coordinator::RequestRefused) -> Code {
    use coordinator::{Refused, RequestRefused};
    match refused {
        RequestRefused::NotActive { .. } => Code::TransactionNotActive,
        RequestRefused::RolledBack { .. } => Code::RolledBack,
        RequestRefused::CommitUnderWay { .. } => Code::CommitUnderWay,
        RequestRefused::UnknownResource { .. } => Code::NotFound,
        RequestRefused::NotAttached { .. } | RequestRefused::Ahead { .. } => Code::Resource,
        RequestRefused::SecondLastResource { .. } | RequestRefused::NotPrepared { .. } => Code::Invalid,
        RequestRefused::TooManyTransactions { .. } => Code::TooMuch,
        RequestRefused::DatabaseDisagrees { .. } => Code::DatabaseDisagrees,
        RequestRefused::DatabaseSilent { .. } => Code::Resource,
        RequestRefused::Refused(Refused::UnknownResource { .. } | Refused::UnknownTransaction { .. }) => Code::NotFound,
        RequestRefused::Refused(Refused::ResourceInDoubt { .. }) => Code::InDoubt,
        RequestRefused::Refused(_) => Code::Invalid,
        RequestRefused::Unknown => Code::Unknown,
        _ => Code::Unspecified,
    }
}
