//! Why a trigger cannot go on.

use std::io;

use handfast_client::{EnlistError, RequestError};
use handfast_protocol::ResourceName;
use handfast_trigger::TriggerFileError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    #[error(transparent)]
    File(#[from] TriggerFileError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Enlist(#[from] EnlistError),
    #[error("there is no resource {name}; add it with: handfast resource add {name} --sqlite FILE | --postgres URL")]
    NoResource { name: ResourceName },
    #[error("resource {name} is a service, which runs no SQL; name a PostgreSQL or SQLite database")]
    NotDatabase { name: ResourceName },
    #[error("signals cannot be waited for: {0}")]
    Signal(io::Error),
    #[error("a worker ended without a word")]
    WorkerLost,
}
