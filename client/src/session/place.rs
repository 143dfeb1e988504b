//! Where a session's server is: at a URL, or in this process.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use handfast_wire::v1;
use handfast_wire::v1::handfast_client::HandfastClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Endpoint;

use crate::error::Cause;
use crate::limits::ANSWER_BYTES_MAX;

/// What a server says in one session, until that ends.
pub type ServerFrames = Pin<Box<dyn Stream<Item = Result<v1::ServerFrames, Status>> + Send>>;

/// A server in this process: sessions with it need neither a network nor an encoding.
pub trait InProcess: fmt::Debug + Send + Sync {
    /// Opens a session over what its client says, which ends with the sender of `frames`.
    fn open(&self, frames: mpsc::Receiver<v1::ClientFrames>) -> ServerFrames;
}

#[derive(Debug, Clone)]
pub enum Place {
    Url(Box<Endpoint>),
    InProcess(Arc<dyn InProcess>),
}

impl Place {
    pub async fn open(&self, frames: mpsc::Receiver<v1::ClientFrames>) -> Result<ServerFrames, Cause> {
        match self {
            Place::Url(endpoint) => {
                let channel = endpoint.connect().await.map_err(|error| Cause::Transport(Arc::new(error)))?;
                let mut client = HandfastClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
                let opened = client.session(ReceiverStream::new(frames)).await;
                Ok(Box::pin(opened.map_err(|status| Cause::Status(Arc::new(status)))?.into_inner()))
            }
            Place::InProcess(server) => Ok(server.open(frames)),
        }
    }
}
