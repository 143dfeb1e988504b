//! One HTTP/2 connection to a service. It never comes back by itself: which service answers is checked after every connect
//! (P3), so a connection that was made behind our back would be one that nobody checked.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use handfast_coordinator_core::{Identity, ResourceId};
use handfast_wire::Malformed;
use handfast_wire::v1::resource_manager_client::ResourceManagerClient;
use handfast_wire::v1::{AttachReply, AttachRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint, Uri};
use url::Url;
use uuid::Uuid;

use crate::drivers::failure::Failure;
use crate::drivers::limits::{CONNECT_TIMEOUT, STATEMENT_TIMEOUT};

pub type Client = ResourceManagerClient<Channel>;

/// Connects, and no more.
pub async fn connect(address: &str) -> Result<Client, Failure> {
    let endpoint = Endpoint::from_shared(check_address(address)?)?.timeout(STATEMENT_TIMEOUT);
    let channel = endpoint.connect_with_connector(OneConnection { used: false }).await?;
    Ok(ResourceManagerClient::new(channel))
}

/// How a coordinator presents itself to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approach {
    /// The resource is being added.
    First,
    /// It was added; the service is to compare.
    Again,
    /// The operator accepts whatever stands there.
    Adopt,
}

pub async fn attach(client: &mut Client, identity: Identity, approach: Approach) -> Result<AttachReply, Failure> {
    let request = AttachRequest {
        coordinator: identity.coordinator.0.as_bytes().to_vec().into(),
        incarnation: identity.incarnation.0,
        epoch: identity.epoch,
        adopt: approach == Approach::Adopt,
        first: approach == Approach::First,
    };
    Ok(client.attach(request).await?.into_inner())
}

pub fn resource_id(reply: &AttachReply) -> Result<ResourceId, Failure> {
    let id = Uuid::from_slice(&reply.resource_id).map_err(|_| Malformed::ResourceId(reply.resource_id.len()))?;
    Ok(ResourceId(id))
}

/// `http://HOST:PORT`, and nothing that would be ignored.
fn check_address(address: &str) -> Result<String, Failure> {
    let refused = |reason| Failure::ServiceAddress { reason };
    let url = Url::parse(address).map_err(|_| refused("it is no URL"))?;
    match url.scheme() {
        "http" => {}
        "https" => return Err(refused("encrypted connections are not supported yet")),
        _ => return Err(refused("its scheme is another")),
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(refused("it names a user or a password, which would be stored and shown"));
    }
    if url.host().is_none() || url.port().is_none() {
        return Err(refused("host or port is missing"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(refused("something follows the port"));
    }
    Ok(address.to_owned())
}

/// Connects once. The channel's own reconnecting meets an error.
struct OneConnection {
    used: bool,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

impl Service<Uri> for OneConnection {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        if std::mem::replace(&mut self.used, true) {
            return Box::pin(async { Err(io::Error::new(io::ErrorKind::NotConnected, "the connection was lost")) });
        }
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
            let port = uri.port_u16().unwrap_or_default();
            let connecting = TcpStream::connect((host, port));
            let stream = timeout(CONNECT_TIMEOUT, connecting).await.map_err(io::Error::from)??;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_host_and_port_and_nothing_that_would_be_ignored() {
        for address in ["http://127.0.0.1:7000", "http://ledger.example:7000/", "http://[::1]:7000"] {
            assert!(check_address(address).is_ok(), "{address}");
        }
        let refused = [
            "127.0.0.1:7000",
            "https://127.0.0.1:7000",
            "http://127.0.0.1",
            "http://app:s3cret@127.0.0.1:7000",
            "http://127.0.0.1:7000/x",
            "http://127.0.0.1:7000?x=1",
        ];
        for address in refused {
            let text = check_address(address).unwrap_err().to_string();
            assert!(text.contains("http://HOST:PORT") && !text.contains("s3cret"), "{address}: {text}");
        }
    }
}
