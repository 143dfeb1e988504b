//! `resource add` and `resource test` for a service.

use handfast_coordinator_core::{Identity, Resource};
use handfast_protocol::{ResourceKind, ResourceName};
use handfast_wire::v1::RecoverRequest;
use handfast_wire::v1::attach_reply::Kind;
use tokio::time::timeout;
use uuid::Uuid;

use super::connection::{Approach, attach, connect, resource_id};
use crate::drivers::failure::Failure;
use crate::drivers::findings::{Finding, Target};
use crate::drivers::limits::CALL_TIMEOUT;
use crate::drivers::registration::{InstallError, Installed, adopt_note};

pub async fn examine(target: Target<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let looked = timeout(CALL_TIMEOUT, look(target, &mut findings)).await;
    if let Err(failure) = looked.unwrap_or(Err(Failure::TimedOut)) {
        let (what, remedy) = match findings.is_empty() {
            true => (format!("cannot connect: {failure}"), "check that the service runs and listens at this address"),
            false => {
                let what = format!("it does not answer as a resource manager: {failure}");
                (what, "give the address of a service that implements handfast.v1.ResourceManager")
            }
        };
        findings.push(Finding::bad(what, remedy));
    }
    findings
}

/// A question about nobody's branches: it changes nothing and shows that the service understands.
async fn look(target: Target<'_>, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let mut client = connect(target.address()).await?;
    findings.push(Finding::good(format!("connected to {}", target.address())));
    let nobody = Uuid::nil().as_bytes().to_vec().into();
    client.recover(RecoverRequest { coordinator: nobody, after: None, limit: 1 }).await?;
    findings.push(Finding::good("it answers as a resource manager"));
    Ok(())
}

pub async fn install(name: ResourceName, address: &str, identity: Identity) -> Result<Installed, InstallError> {
    let done = timeout(CALL_TIMEOUT, introduce(&name, address, identity)).await;
    done.unwrap_or(Err(Failure::TimedOut)).map_err(|cause| InstallError::Failed { name, cause })
}

async fn introduce(name: &ResourceName, address: &str, identity: Identity) -> Result<Installed, Failure> {
    let mut client = connect(address).await?;
    let reply = attach(&mut client, identity, Approach::First).await?;
    let notes = match Kind::try_from(reply.kind) {
        Ok(Kind::Attached) => Vec::new(),
        Ok(Kind::Ahead | Kind::UnknownCoordinator) => vec![adopt_note(name)],
        Err(_) => return Err(Failure::UnknownAnswer { value: reply.kind }),
    };
    let (name, address) = (name.clone(), address.to_owned());
    let (kind, resource_id) = (ResourceKind::Service, resource_id(&reply)?);
    Ok(Installed { resource: Resource { name, kind, address, resource_id, schema: String::new() }, notes })
}
