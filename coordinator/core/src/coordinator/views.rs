//! What people and tools may see: resources and transactions, live ones and those that wait for the operator (G6).

use handfast_protocol::{Gauge, GlobalId, Outcome, ResourceName, Timestamp};
use handfast_store::StoreError;

use super::attachment::Link;
use super::suggestion::suggestion;
use super::transaction::{Branch, Phase, Stage, Transaction};
use super::{Context, Coordinator};
use crate::limits::{CALLS_MAX, LISTED_MAX, OPEN_TRANSACTIONS_MAX};
use crate::state::{self, Recorded};
use crate::{Answer, BranchView, RequestId, ResourceView, TransactionState, TransactionView};

impl Coordinator {
    pub(super) fn list_resources(&mut self, cx: &mut Context<'_>, request: RequestId) {
        let view = |resource: &crate::Resource| {
            let attachment = self.attachments.get(&resource.name);
            ResourceView {
                resource: resource.clone(),
                attached: attachment.is_some_and(|found| found.link == Link::Attached),
                problem: attachment.and_then(super::Attachment::problem_text),
                in_doubt: cx.state.in_doubt_of(&resource.name),
            }
        };
        let views = cx.state.resources().map(view).collect();
        self.answer(cx, request, Ok(Answer::Resources(views)));
    }

    /// What it holds in memory, beside its bounds (G7).
    pub fn gauges(&self) -> [Gauge; 2] {
        let calls = "Questions to databases and services that have no answer yet";
        [
            Gauge::new("transactions_open", "Transactions that have not ended", self.transactions.len())
                .of(OPEN_TRANSACTIONS_MAX),
            Gauge::new("calls_open", calls, self.calls.len()).of(self.attachments.len() * CALLS_MAX),
        ]
    }

    pub(super) fn list_transactions(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        in_doubt: bool,
        after: Option<GlobalId>,
        limit: usize,
    ) {
        let limit = limit.min(LISTED_MAX);
        // Those in doubt are the recorded ones; all others are in memory alone.
        let recorded = cx.state.transactions_after(after).map(|record| record.id);
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let live = self.transactions.range((start, std::ops::Bound::Unbounded)).map(|(id, _)| *id);
        let mut ids: Vec<GlobalId> = recorded.take(limit).collect();
        if !in_doubt {
            ids.extend(live.take(limit));
            ids.sort_unstable();
            ids.dedup();
            ids.truncate(limit);
        }
        let views = ids.into_iter().filter_map(|id| self.view(cx, id)).collect();
        self.answer(cx, request, Ok(Answer::Transactions(views)));
    }

    pub(super) fn show_transaction(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        id: GlobalId,
    ) -> Result<(), StoreError> {
        let answer = match self.view(cx, id) {
            Some(view) => Ok(Answer::Transaction(view)),
            None => match cx.state.outcome(cx.store, id)? {
                Recorded::Decided { outcome, .. } => Ok(Answer::Transaction(ended_view(id, outcome))),
                Recorded::Unknown | Recorded::Delegated | Recorded::Forgotten => Err(self.not_active(cx, id)?),
            },
        };
        self.answer(cx, request, answer);
        Ok(())
    }

    fn view(&self, cx: &Context<'_>, id: GlobalId) -> Option<TransactionView> {
        match (self.transactions.get(&id), cx.state.transaction(id)) {
            (Some(live), record) => Some(self.live_view(cx, id, live, record)),
            (None, Some(record)) => Some(forced_view(cx.now, record)),
            (None, None) => None,
        }
    }

    fn live_view(
        &self,
        cx: &Context<'_>,
        id: GlobalId,
        live: &Transaction,
        record: Option<&state::Transaction>,
    ) -> TransactionView {
        let heuristic = |name: &ResourceName| record?.branch(name)?.heuristic;
        let outcome = record.and_then(|record| record.outcome);
        let two_phase = live.branches.iter().map(|(name, branch)| BranchView {
            resource: name.clone(),
            state: branch_state(live.phase, branch).to_owned(),
            error: branch.failure.as_ref().map(ToString::to_string).or_else(|| self.link_problem(name, branch.stage)),
            heuristic: heuristic(name),
        });
        let last = live.last.iter().map(|name| BranchView {
            resource: name.clone(),
            state: last_state(live.phase).to_owned(),
            error: live
                .fence
                .failure
                .as_ref()
                .map(ToString::to_string)
                .or_else(|| self.fence_problem(name, live.phase)),
            heuristic: heuristic(name),
        });
        let waiting = live.waiting.iter().map(|place| BranchView {
            resource: place.resource.clone(),
            state: "waiting for a slot".to_owned(),
            error: None,
            heuristic: None,
        });
        let mut view = TransactionView {
            id,
            state: live.state(),
            outcome,
            began_at: Some(live.began_at),
            age: Some(cx.now.since(live.began_at)),
            branches: two_phase.chain(last).chain(waiting).collect(),
            suggestion: String::new(),
        };
        view.suggestion = suggestion(&view, self.barring(live));
        view
    }

    /// A resource that the transaction waits for and that may not be used (P3).
    fn barring<'a>(&'a self, live: &'a Transaction) -> Option<&'a ResourceName> {
        let open = live.branches.iter().filter(|(_, branch)| branch.stage.is_open()).map(|(name, _)| name);
        let asked = live.last.iter().filter(|_| live.phase == Phase::InDoubt);
        let barred = |name: &&ResourceName| {
            let link = self.attachments.get(*name).map(|attachment| attachment.link);
            matches!(link, Some(Link::Barred { .. }))
        };
        open.chain(asked).find(barred)
    }

    fn link_problem(&self, name: &ResourceName, stage: Stage) -> Option<String> {
        let attachment = self.attachments.get(name)?;
        if stage.is_open() && attachment.link != Link::Attached { attachment.problem_text() } else { None }
    }

    fn fence_problem(&self, name: &ResourceName, phase: Phase) -> Option<String> {
        let attachment = self.attachments.get(name)?;
        let asked = phase == Phase::InDoubt && attachment.link != Link::Attached;
        if asked { attachment.problem_text() } else { None }
    }
}

/// A transaction that has ended with a heuristic outcome: it waits for the operator's `forget`.
fn forced_view(now: Timestamp, record: &state::Transaction) -> TransactionView {
    let outcome = record.outcome;
    let state = |branch: &state::RecordedBranch| match (branch.heuristic, outcome) {
        (Some(heuristic), _) => heuristic.to_string(),
        (None, Some(outcome)) => outcome.to_string(),
        (None, None) => "prepared".to_owned(),
    };
    let branches = record.branches.iter().map(|branch| BranchView {
        resource: branch.resource.clone(),
        state: state(branch),
        error: None,
        heuristic: branch.heuristic,
    });
    let mut view = TransactionView {
        id: record.id,
        state: TransactionState::Forced,
        outcome,
        began_at: Some(record.since),
        age: Some(now.since(record.since)),
        branches: branches.collect(),
        suggestion: String::new(),
    };
    view.suggestion = suggestion(&view, None);
    view
}

/// One that has ended: of its times nothing is remembered but the outcome.
fn ended_view(id: GlobalId, outcome: Outcome) -> TransactionView {
    TransactionView {
        id,
        state: TransactionState::Ended,
        outcome: Some(outcome),
        began_at: None,
        age: None,
        branches: Vec::new(),
        suggestion: String::new(),
    }
}

fn branch_state(phase: Phase, branch: &Branch) -> &'static str {
    let rolled_back = phase == (Phase::Ending { outcome: Outcome::RolledBack });
    match branch.stage {
        Stage::Enlisted => "enlisted",
        Stage::Preparing => "preparing",
        Stage::Prepared => "prepared",
        Stage::ReadOnly => "read-only",
        Stage::Refused => "refused",
        Stage::Telling | Stage::Silent if rolled_back => "prepared, to be rolled back",
        Stage::Telling | Stage::Silent => "prepared, to be committed",
        Stage::Acknowledging | Stage::Acknowledged if rolled_back => "rolled back",
        Stage::Acknowledging | Stage::Acknowledged => "committed",
    }
}

fn last_state(phase: Phase) -> &'static str {
    match phase {
        Phase::Active | Phase::Preparing | Phase::Deciding | Phase::Delegating => "enlisted",
        Phase::Delegated => "decides: its client is committing",
        Phase::InDoubt => "decides: it is being asked",
        Phase::Concluding { outcome: Outcome::Committed } | Phase::Ending { outcome: Outcome::Committed } => {
            "committed"
        }
        Phase::Concluding { outcome: Outcome::RolledBack } | Phase::Ending { outcome: Outcome::RolledBack } => {
            "rolled back"
        }
    }
}
