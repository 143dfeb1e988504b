//! A failed plan, made smaller by leaving out what it does not need to fail: blows, strikes, orders, clients.

use std::collections::BTreeSet;

use crate::plan::{Plan, Scene, Trouble};
use crate::trial::{Failed, try_plan};

/// More blows than any run draws.
const BLOWS_MAX: u64 = 4_096;

/// The smallest plan that this finds to fail in no other kind than it did.
pub fn reduce(failed: Failed) -> Failed {
    let mut failed = failed;
    loop {
        let before = failed.plan.clone();
        for scene in smaller(&failed.plan.scene) {
            failed = or_smaller(failed, |plan| plan.scene = scene.clone());
        }
        failed = fewer_strikes(fewer_blows(failed));
        if failed.plan == before {
            return failed;
        }
    }
}

/// The failure of the changed plan, if that fails as well.
fn or_smaller(failed: Failed, change: impl FnOnce(&mut Plan)) -> Failed {
    let mut plan = failed.plan.clone();
    change(&mut plan);
    if plan == failed.plan {
        return failed;
    }
    let smaller = try_plan(&plan).err();
    smaller.filter(|smaller| smaller.kinds.is_subset(&failed.kinds)).unwrap_or(failed)
}

fn smaller(scene: &Scene) -> Vec<Scene> {
    let orders = scene.orders;
    let mut smaller: Vec<Scene> = [1, 2, orders / 2, orders - 1]
        .into_iter()
        .filter(|fewer| (1..orders).contains(fewer))
        .map(|orders| Scene { orders, ..scene.clone() })
        .collect();
    smaller.push(Scene { poisons: 0, ..scene.clone() });
    smaller.push(Scene { expiring: 0, ..scene.clone() });
    smaller.push(Scene { imported: 0, ..scene.clone() });
    smaller.push(Scene { ballast: 0, ..scene.clone() });
    smaller.push(Scene { onward: 0, ..scene.clone() });
    smaller.push(Scene { combined: 0, ..scene.clone() });
    smaller.push(Scene { clients: 1, ..scene.clone() });
    smaller.extend(scene.sizes.plainer().map(|sizes| Scene { sizes, ..scene.clone() }));
    smaller
}

/// Leaves out runs of blows, long ones first.
fn fewer_blows(failed: Failed) -> Failed {
    let Some(Trouble { only, .. }) = &failed.plan.scene.trouble else { return failed };
    let all = only.clone().unwrap_or_else(|| (1..=BLOWS_MAX).collect());
    let mut failed = or_smaller(failed, |plan| keep(plan, all.clone()));
    let mut length = all.len();
    while length > 0 {
        let kept: Vec<u64> = kept(&failed.plan).into_iter().collect();
        for run in kept.chunks(length) {
            let rest: BTreeSet<u64> = self::kept(&failed.plan).into_iter().filter(|blow| !run.contains(blow)).collect();
            failed = or_smaller(failed, |plan| keep(plan, rest));
        }
        length /= 2;
    }
    failed
}

fn keep(plan: &mut Plan, only: BTreeSet<u64>) {
    if let Some(trouble) = &mut plan.scene.trouble {
        trouble.only = Some(only);
    }
}

fn kept(plan: &Plan) -> BTreeSet<u64> {
    plan.scene.trouble.as_ref().and_then(|trouble| trouble.only.clone()).unwrap_or_default()
}

fn fewer_strikes(failed: Failed) -> Failed {
    let mut failed = failed;
    for at in (0..failed.plan.strikes.len()).rev() {
        failed = or_smaller(failed, |plan| {
            plan.strikes.remove(at);
        });
    }
    failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Mutant;
    use crate::swarm;

    /// Runs the first plans that fail with the mistake, and makes them smaller.
    #[test]
    fn a_smaller_plan_fails_in_the_same_way() {
        for mutant in [Mutant::AnswersBeforeSync, Mutant::ForgetsToRollBack, Mutant::TakesUnknownForRolledBack] {
            let failing = (0..2_000).filter_map(|seed| swarm::try_seed(seed, mutant).err());
            for failed in failing.take(3) {
                let (kinds, orders) = (failed.kinds.clone(), failed.plan.scene.orders);
                let reduced = reduce(failed);
                assert!(reduced.kinds.is_subset(&kinds), "{:?} became {:?}: {reduced}", kinds, reduced.kinds);
                assert!(reduced.plan.scene.orders <= orders, "{reduced}");
                let again = try_plan(&reduced.plan).expect_err("it fails again");
                assert_eq!(again, reduced);
            }
        }
    }
}
