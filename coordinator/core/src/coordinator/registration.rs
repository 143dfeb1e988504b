//! Resources come and go. Neither while a transaction uses them: its branches would be looked for in the wrong database.

use handfast_protocol::ResourceName;

use super::attachment::Attachment;
use super::calls::Deed;
use super::proposals::Pending;
use super::{Context, Coordinator};
use crate::limits::TEXT_BYTES_MAX;
use crate::{Answer, Command, Done, Refused, RequestId, RequestRefused, Resource};

impl Coordinator {
    pub(super) fn add_resource(&mut self, cx: &mut Context<'_>, request: RequestId, resource: Resource) {
        let name = resource.name.clone();
        if resource.address.len() > TEXT_BYTES_MAX || resource.schema.len() > TEXT_BYTES_MAX {
            return self.answer(cx, request, Err(RequestRefused::TextTooLong { name, limit: TEXT_BYTES_MAX }));
        }
        match self.may_change(&name) {
            Err(refused) => self.answer(cx, request, Err(refused)),
            Ok(()) => {
                self.changing.insert(name.clone());
                self.propose(cx.out, Command::AddResource { resource }, Pending::AddResource { name, request });
            }
        }
    }

    pub(super) fn remove_resource(&mut self, cx: &mut Context<'_>, request: RequestId, name: ResourceName) {
        match self.may_change(&name) {
            Err(refused) => self.answer(cx, request, Err(refused)),
            Ok(()) => {
                self.changing.insert(name.clone());
                let command = Command::RemoveResource { name: name.clone() };
                self.propose(cx.out, command, Pending::RemoveResource { name, request });
            }
        }
    }

    /// The log refuses while anything is recorded in doubt; here also count branches that the log does not know (P3).
    fn may_change(&self, name: &ResourceName) -> Result<(), RequestRefused> {
        if self.changing.contains(name) {
            return Err(RequestRefused::BeingChanged { name: name.clone() });
        }
        let Some(attachment) = self.attachments.get(name) else {
            return Ok(());
        };
        let count = attachment.users.len() + attachment.sweep.seen.len() + attachment.waiting.len();
        match u64::try_from(count).unwrap_or(u64::MAX) {
            0 => Ok(()),
            count => Err(Refused::ResourceInDoubt { name: name.clone(), count }.into()),
        }
    }

    pub(super) fn resource_added(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        name: &ResourceName,
        result: Result<Done, Refused>,
    ) {
        self.changing.remove(name);
        if let Err(refused) = result {
            return self.answer(cx, request, Err(refused.into()));
        }
        self.detach(cx, name);
        if let Some(resource) = cx.state.resource(name) {
            self.attachments.insert(name.clone(), Attachment::new(resource.clone()));
            self.call(cx.out, name, Deed::Attach { adopt: None });
        }
        self.answer(cx, request, Ok(Answer::Done));
    }

    pub(super) fn resource_removed(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        name: &ResourceName,
        result: Result<Done, Refused>,
    ) {
        self.changing.remove(name);
        if result.is_ok() {
            self.detach(cx, name);
        }
        self.answer(cx, request, result.map(|_| Answer::Done).map_err(RequestRefused::from));
    }

    /// Forgets the old registration; what was asked of it is answered to nobody.
    fn detach(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        self.attachments.remove(name);
        let asked: Vec<_> = self.calls.iter().filter(|(_, (of, _))| of == name).map(|(call, _)| *call).collect();
        for call in asked {
            if let Some((_, Deed::Attach { adopt: Some(request) })) = self.calls.remove(&call) {
                self.answer(cx, request, Err(RequestRefused::UnknownResource { name: name.clone() }));
            }
        }
        self.barriers.retain(|_, (of, _)| of != name);
    }
}
