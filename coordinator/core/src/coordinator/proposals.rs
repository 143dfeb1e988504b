//! Commands in flight: who waits for each, and where its result goes.

use handfast_protocol::{GlobalId, Heuristic, Outcome, ResourceName, Xid};
use handfast_store::StoreError;

use super::{Action, Context, Coordinator, Proposal};
use crate::{Answer, Command, Done, KnownOutcome, Refused, RequestId};

#[derive(Debug)]
pub(super) enum Pending {
    /// `Delegate` or `Decide`.
    Record {
        id: GlobalId,
    },
    Conclude {
        id: GlobalId,
        outcome: Outcome,
    },
    /// `request`: an operator who gave the branch up.
    Acknowledge {
        id: GlobalId,
        resource: ResourceName,
        request: Option<RequestId>,
    },
    /// A branch or a row says otherwise than what was decided; `request`: the client who said so.
    Contradiction {
        id: GlobalId,
        request: Option<RequestId>,
    },
    /// `services`: branches that their services may drop as well.
    Forget {
        request: RequestId,
        services: Vec<(ResourceName, Xid)>,
    },
    ForgetOutcomes,
    AddResource {
        name: ResourceName,
        request: RequestId,
    },
    RemoveResource {
        name: ResourceName,
        request: RequestId,
    },
    MarkersCleared {
        name: ResourceName,
    },
}

impl Coordinator {
    pub(super) fn propose(&mut self, out: &mut Vec<Action>, command: Command, pending: Pending) {
        self.last_proposal += 1;
        let proposal = Proposal(self.last_proposal);
        self.proposals.insert(proposal, pending);
        out.push(Action::Propose { proposal, command });
    }

    pub(super) fn applied(
        &mut self,
        cx: &mut Context<'_>,
        proposal: Proposal,
        result: Result<Done, Refused>,
    ) -> Result<(), StoreError> {
        let pending = self.proposals.remove(&proposal).expect("only this coordinator's proposals come back, each once");
        match pending {
            Pending::Record { id } => self.record_applied(cx, id, &result),
            Pending::Conclude { id, outcome } => self.concluded(cx, id, outcome, &result),
            Pending::Acknowledge { id, resource, request } => self.acknowledged(cx, id, &resource, request, &result),
            Pending::Contradiction { id, request } => self.contradicted(cx, id, request, result),
            Pending::Forget { request, services } => self.forgotten(cx, request, services, result),
            Pending::ForgetOutcomes => self.forget_outcomes(cx)?,
            Pending::AddResource { name, request } => self.resource_added(cx, request, &name, result),
            Pending::RemoveResource { name, request } => self.resource_removed(cx, request, &name, result),
            Pending::MarkersCleared { name } => self.markers_cleared(&name),
        }
        Ok(())
    }

    /// The contradiction is recorded: whoever brought it is told what it amounts to.
    fn contradicted(
        &mut self,
        cx: &mut Context<'_>,
        id: GlobalId,
        request: Option<RequestId>,
        result: Result<Done, Refused>,
    ) {
        let Some(request) = request else { return };
        let recorded = cx.state.transaction(id).and_then(crate::state::Transaction::heuristic);
        let answer = match result {
            Ok(_) => Ok(Answer::Outcome(KnownOutcome::Heuristic(recorded.unwrap_or(Heuristic::Hazard)))),
            Err(refused) => Err(refused.into()),
        };
        self.answer(cx, request, answer);
    }
}
