//! Every single moment at which a member may die, with every way of dying and of coming back: first the scene runs without a
//! strike, which counts its steps and the changes of its disks; then once for each of these and each strike. And pairs of
//! strikes: [`pairs`].

mod pairs;

use crate::pace::{Pace, ThreadClock};
use crate::plan::{Back, Ending, Messages, Moment, Plan, Scene, Strike, Victim};
use crate::probes::Probes;
use crate::server::ServerId;
use crate::trial::{Failed, try_plan};
use crate::world::Ran;
pub use pairs::{Pairs, pairs, plain_pairs};

/// What a set of runs came to.
#[derive(Debug, Default)]
pub struct Exhausted {
    pub probes: Probes,
    pub pace: Pace,
    /// Steps of the run without a strike.
    pub steps: u64,
    /// The first that failed.
    pub failed: Option<Box<Failed>>,
}

impl Exhausted {
    /// The run without a strike, then those that `struck` makes of it, until one fails.
    fn of(scene: &Scene, struck: impl FnOnce(&mut Exhausted, &Plan, &Ran)) -> Exhausted {
        let (plan, clock) = (Plan::new(scene.clone()), ThreadClock::start());
        let calm = match try_plan(&plan) {
            Ok(calm) => calm,
            Err(failed) => return Exhausted { failed: Some(Box::new(failed)), ..Exhausted::default() },
        };
        let mut exhausted = Exhausted { steps: calm.steps, ..Exhausted::default() };
        struck(&mut exhausted, &plan, &calm);
        exhausted.pace = clock.pace(&exhausted.probes);
        exhausted
    }

    /// Runs one; `None` when it failed, and the set need not go on.
    fn take(&mut self, plan: &Plan) -> Option<Ran> {
        match try_plan(plan) {
            Ok(ran) => {
                self.probes.add(&ran.probes);
                Some(ran)
            }
            Err(failed) => {
                self.failed = Some(Box::new(failed));
                None
            }
        }
    }

    /// Runs the plan with each of these strikes; false when one failed.
    fn take_all(&mut self, plan: &Plan, strikes: impl Iterator<Item = Strike>) -> bool {
        { strikes }.all(|strike| self.take(&plan.struck(strike)).is_some())
    }
}

/// All single strikes on this scene.
pub fn single(scene: &Scene) -> Exhausted {
    Exhausted::of(scene, |exhausted, plan, calm| {
        exhausted.take_all(plan, strikes(scene, calm, 0, calm.steps));
    })
}

/// Every strike before these steps of the run, and at each change of a disk that led there.
fn strikes(scene: &Scene, ran: &Ran, first: u64, last: u64) -> impl Iterator<Item = Strike> {
    let at_steps = (first..=last).flat_map(move |step| {
        // Two strikes that leave the same behind are one.
        let exposed = &ran.exposed[step as usize];
        let different = kinds(scene).filter(move |kind| exposed.tells_apart(kind.victim, kind.ending));
        different.map(move |kind| Strike { moment: Moment::Step(step), ..kind })
    });
    let servers = [(ServerId::Queues, Victim::Server), (ServerId::Coordinator, Victim::Coordinator)];
    let at_changes = servers.into_iter().flat_map(move |(id, victim)| {
        let before = ran.exposed[first.saturating_sub(1) as usize].changes(id);
        // Whoever leaves at the end of the run may change a disk as well.
        let after = if last < ran.steps { Some(ran.exposed[last as usize].changes(id)) } else { None };
        let after = after.or_else(|| ran.changes.get(&id).copied()).unwrap_or_default();
        (before..after).map(Moment::Change).flat_map(move |moment| {
            DISK_ENDINGS.into_iter().map(move |ending| Strike {
                moment,
                victim,
                ending,
                messages: Messages::Arrive,
                back: Back::AtOnce,
            })
        })
    });
    at_steps.chain(at_changes)
}

/// How a server ends in the middle of a step, its disk having stood still: by a crash, which lets the disk go on.
pub const DISK_ENDINGS: [Ending; 6] =
    [Ending::Kill, Ending::Nothing, Ending::Everything, Ending::Half, Ending::Torn, Ending::Sectors];

/// Every victim of the scene, with every way to strike it. The moment is a placeholder.
fn kinds(scene: &Scene) -> impl Iterator<Item = Strike> {
    let victims = victims(scene);
    victims.into_iter().flat_map(|victim| {
        endings(victim).iter().flat_map(move |ending| {
            let backs: &[Back] = if victim == Victim::Session {
                &[Back::AtOnce, Back::Soon, Back::Late]
            } else {
                &[Back::AtOnce, Back::Late]
            };
            let all = [Messages::Arrive, Messages::Lost]
                .into_iter()
                .flat_map(|messages| backs.iter().map(move |back| (messages, *back)));
            // Who stands still loses nothing and comes back late; who ends by itself is started again.
            let is_single = matches!(
                ending,
                Ending::Pause | Ending::SyncError | Ending::ShortWrite | Ending::WriteError | Ending::DiskFull
            );
            let only = is_single.then_some((Messages::Arrive, Back::Late));
            let manners: Vec<_> = if only.is_some() { only.into_iter().collect() } else { all.collect() };
            manners.into_iter().map(move |(messages, back)| Strike {
                moment: Moment::Step(0),
                victim,
                ending: *ending,
                messages,
                back,
            })
        })
    })
}

/// Whom there is to strike.
pub fn victims(scene: &Scene) -> Vec<Victim> {
    let mut victims = vec![Victim::Server, Victim::Client, Victim::Session];
    if scene.way.is_standalone() {
        victims.push(Victim::Coordinator);
    }
    if scene.imported > 0 {
        victims.push(Victim::Importer);
    }
    match scene.way.database() {
        None => {}
        Some(handfast_protocol::ResourceKind::SqliteMarker) => victims.push(Victim::Host),
        Some(_) => victims.push(Victim::Database),
    }
    victims
}

/// How they end between two steps.
pub fn endings(victim: Victim) -> &'static [Ending] {
    match victim {
        Victim::Server | Victim::Coordinator => &[
            Ending::Kill,
            Ending::Nothing,
            Ending::Everything,
            Ending::Half,
            Ending::Torn,
            Ending::Pause,
            Ending::SyncError,
            Ending::ShortWrite,
            Ending::WriteError,
            Ending::DiskFull,
        ],
        Victim::Host => &[Ending::Nothing, Ending::Everything, Ending::Half, Ending::Torn],
        Victim::Database => &[Ending::Nothing, Ending::Everything, Ending::Half],
        Victim::Client | Victim::Importer => &[Ending::Kill, Ending::Pause],
        Victim::Session => &[Ending::Kill],
    }
}

#[cfg(test)]
mod tests {
    use handfast_checker::history::{Event, Fact, What};

    use super::*;
    use crate::plan::{Sizes, Way, Worded};

    /// What happened, but for the word for the strike.
    fn told(plan: &Plan) -> Vec<Event> {
        let events = try_plan(plan).expect("it comes right").history.events;
        let is_word = |event: &Event| matches!(event.what, What::Info(Fact::Crashed { .. } | Fact::Run(_)));
        events.into_iter().filter(|event| !is_word(event)).collect()
    }

    /// Each strike that is left out has a twin among the others.
    #[test]
    fn what_is_left_out_is_tried_under_another_name() {
        let mut left_out = 0;
        for way in Way::all() {
            let scene =
                Scene { way, orders: 1, sizes: Sizes { flush_every: 2, ..Sizes::default() }, ..Scene::default() };
            let plan = Plan::new(scene.clone());
            let calm = try_plan(&plan).expect("nothing happens to it");
            for (step, exposed) in (0..).zip(&calm.exposed).step_by(3) {
                let (kept, out): (Vec<Strike>, Vec<Strike>) =
                    kinds(&scene).partition(|kind| exposed.tells_apart(kind.victim, kind.ending));
                for strike in out.into_iter().filter(|strike| strike.back == Back::AtOnce) {
                    let moment = Moment::Step(step);
                    let twins = kept.iter().filter(|kept| {
                        (kept.victim, kept.messages, kept.back) == (strike.victim, strike.messages, strike.back)
                    });
                    let run = told(&plan.struck(Strike { moment, ..strike }));
                    let has_twin = { twins }.any(|twin| told(&plan.struck(Strike { moment, ..*twin })) == run);
                    assert!(has_twin, "{} is like no other", plan.struck(Strike { moment, ..strike }));
                    left_out += 1;
                }
            }
        }
        assert!(left_out > 500, "{left_out} are left out");
    }
}
