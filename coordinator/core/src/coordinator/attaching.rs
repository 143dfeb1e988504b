//! Before a resource is used in this epoch it must know who uses it, and be the one that was registered (P3).

use handfast_mutants::{Mutant, is};
use handfast_protocol::ResourceName;

use super::attachment::Link;
use super::calls::Deed;
use super::timer::{Timer, backoff};
use super::{Context, Coordinator};
use crate::{Answer, CallFailed, RequestId, RequestRefused, Told};

impl Coordinator {
    /// The operator says that nobody else uses this database, whatever stands there (P3).
    pub(super) fn adopt(&mut self, cx: &mut Context<'_>, request: RequestId, name: &ResourceName) {
        match self.may_adopt(name) {
            Ok(()) => self.call(cx.out, name, Deed::Attach { adopt: Some(request) }),
            Err(refused) => self.answer(cx, request, Err(refused)),
        }
    }

    /// What stands there must be known before it is overwritten. A later epoch of this very incarnation cannot be adopted:
    /// this directory is an earlier state of itself, and would give its ids a second time (P1).
    fn may_adopt(&self, name: &ResourceName) -> Result<(), RequestRefused> {
        let Some(attachment) = self.attachments.get(name) else {
            return Err(RequestRefused::UnknownResource { name: name.clone() });
        };
        let adopting =
            |(of, deed): &(ResourceName, Deed)| of == name && matches!(deed, Deed::Attach { adopt: Some(_) });
        if self.calls.values().any(adopting) {
            return Err(RequestRefused::BeingChanged { name: name.clone() });
        }
        match attachment.link {
            Link::Attaching => {
                let problem = attachment.failure().to_string();
                Err(RequestRefused::NotAttached { name: name.clone(), problem })
            }
            Link::Barred { found: Some(found) } if found.incarnation == self.identity.incarnation => {
                Err(RequestRefused::Overtaken { name: name.clone(), found })
            }
            Link::Barred { .. } | Link::Attached => Ok(()),
        }
    }

    pub(super) fn attach_again(&mut self, cx: &mut Context<'_>, name: &ResourceName) {
        if self.attachments.get(name).is_some_and(|attachment| attachment.link == Link::Attaching) {
            self.call(cx.out, name, Deed::Attach { adopt: None });
        }
    }

    pub(super) fn attach_answered(
        &mut self,
        cx: &mut Context<'_>,
        name: &ResourceName,
        adopt: Option<RequestId>,
        result: Result<Told, CallFailed>,
    ) {
        let attachment = self.attachments.get_mut(name).expect("the caller found it");
        let was_attached = attachment.link == Link::Attached;
        let barred = |found| RequestRefused::Ahead { name: name.clone(), found };
        let answer = match result {
            Ok(Told::Attached { slots }) => {
                attachment.slots = slots;
                attachment.link = Link::Attached;
                attachment.adopted |= adopt.is_some();
                attachment.attach_attempts = 0;
                // Rows may be left of transactions that ended before this epoch.
                attachment.markers.due = true;
                Ok(Answer::Done)
            }
            // Another question, asked before the operator's, came back after it.
            Ok(_) if was_attached && adopt.is_none() => Ok(Answer::Done),
            Ok(_) if is(Mutant::AdoptsUnasked) => {
                attachment.link = Link::Attached;
                attachment.adopted = true;
                Ok(Answer::Done)
            }
            Ok(told) => {
                let found = if let Told::Ahead { found } = told { Some(found) } else { None };
                attachment.link = Link::Barred { found };
                Err(barred(found))
            }
            Err(failure) => {
                if attachment.link == Link::Attaching {
                    attachment.attach_attempts += 1;
                    let again = cx.now.after(backoff(attachment.attach_attempts));
                    self.timers.set(again, Timer::Attach(name.clone()));
                }
                Err(RequestRefused::NotAttached { name: name.clone(), problem: failure.to_string() })
            }
        };
        if let Some(request) = adopt {
            self.answer(cx, request, answer);
        }
        let attached = self.attachments.get(name).is_some_and(|attachment| attachment.link == Link::Attached);
        if attached && !was_attached {
            self.scan(cx, name);
            self.clear_markers(cx, name);
            self.pump(cx, name);
        }
    }
}
