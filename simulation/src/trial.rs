//! One plan, run and judged.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use handfast_checker::judge;
use handfast_test_checkout::commit;

use crate::plan::Plan;
use crate::world::{Ran, Stuck, World};

/// A run that should not have ended so. Its text is all that is needed to run it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}\n  plan: {plan}\n  commit: {}\n  again: cargo run -p handfast-simulation -- {plan}", .why.join("\n"), commit())]
pub struct Failed {
    pub plan: Plan,
    pub why: Vec<String>,
    /// What kind of failure it is: the properties that do not hold, by their ids, or how the run got stuck.
    pub kinds: BTreeSet<&'static str>,
}

/// Runs the plan and judges it.
pub fn try_plan(plan: &Plan) -> Result<Ran, Failed> {
    let ran = run(plan, false).map_err(|(stuck, _)| {
        let kinds = BTreeSet::from([stuck.kind()]);
        Failed { plan: plan.clone(), why: vec![stuck.to_string()], kinds }
    })?;
    let report = judge(&ran.history);
    if report.is_good() {
        return Ok(ran);
    }
    let kinds = report.violations().map(|violation| violation.id).collect();
    Err(Failed { plan: plan.clone(), why: report.violations().map(|violation| violation.to_string()).collect(), kinds })
}

/// Runs it; a panic of whoever runs in it is a result like any other.
pub fn run(plan: &Plan, traced: bool) -> Result<Ran, (Stuck, String)> {
    #[cfg(feature = "mutants")]
    handfast_mutants::choose(match plan.scene.mutant {
        crate::plan::Mutant::Core(mutant) => Some(mutant),
        _ => None,
    });
    catch_unwind(AssertUnwindSafe(|| World::run(plan, traced))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err((Stuck::Panicked(text.unwrap_or_else(|| "it panicked".to_owned())), String::new()))
    })
}
