//! Every single moment at which a member may die, with every way of dying and of coming back: first the scene runs without a
//! strike, which counts its steps and the changes of its disks; then once for each of these and each strike.

use crate::plan::{Back, Ending, Messages, Moment, Plan, Scene, Strike, Victim};
use crate::probes::Probes;
use crate::server::ServerId;
use crate::trial::{Failed, try_plan};
use crate::world::Ran;

/// What a set of runs came to.
#[derive(Debug, Default)]
pub struct Exhausted {
    pub probes: Probes,
    /// Steps of the run without a strike.
    pub steps: u64,
    /// The first that failed.
    pub failed: Option<Box<Failed>>,
}

impl Exhausted {
    /// Runs one; false when it failed, and the set need not go on.
    fn take(&mut self, plan: &Plan) -> bool {
        match try_plan(plan) {
            Ok(ran) => {
                self.probes.add(&ran.probes);
                true
            }
            Err(failed) => {
                self.failed = Some(Box::new(failed));
                false
            }
        }
    }
}

/// All single strikes on this scene.
pub fn single(scene: &Scene) -> Exhausted {
    let mut exhausted = Exhausted::default();
    let plan = Plan::new(scene.clone());
    match try_plan(&plan) {
        Err(failed) => exhausted.failed = Some(Box::new(failed)),
        Ok(calm) => {
            exhausted.steps = calm.steps;
            singles(scene, &calm).all(|strike| exhausted.take(&plan.struck(strike)));
        }
    }
    exhausted
}

/// Pairs: each single strike, and a second one within `window` steps of it, each victim in the plainest way. Of the first
/// strikes every `stride`th is taken.
pub fn pairs(scene: &Scene, window: u64, stride: usize) -> Exhausted {
    let mut exhausted = Exhausted::default();
    let plan = Plan::new(scene.clone());
    match try_plan(&plan) {
        Err(failed) => exhausted.failed = Some(Box::new(failed)),
        Ok(calm) => {
            exhausted.steps = calm.steps;
            let firsts = singles(scene, &calm).step_by(stride);
            let seconds = |first: Strike| {
                let Moment::Step(step) = first.moment else { return Vec::new() };
                let moments = (step + 1..=step + window).map(Moment::Step);
                let struck = |moment| {
                    plainly(scene).map(move |(victim, ending)| Strike {
                        moment,
                        victim,
                        ending,
                        messages: Messages::Arrive,
                        back: Back::AtOnce,
                    })
                };
                moments.flat_map(struck).collect()
            };
            'all: for first in firsts {
                for second in seconds(first) {
                    if !exhausted.take(&plan.struck(first).struck(second)) {
                        break 'all;
                    }
                }
            }
        }
    }
    exhausted
}

fn singles<'s>(scene: &'s Scene, calm: &'s Ran) -> impl Iterator<Item = Strike> + 's {
    let steps = (0..=calm.steps).map(Moment::Step);
    let at_steps = steps.flat_map(|moment| kinds(scene).map(move |kind| Strike { moment, ..kind }));
    let servers = [(ServerId::Queues, Victim::Server), (ServerId::Coordinator, Victim::Coordinator)];
    let at_changes = servers.into_iter().flat_map(move |(id, victim)| {
        let first = calm.changes_at_first.get(&id).copied().unwrap_or_default();
        let last = calm.changes.get(&id).copied().unwrap_or_default();
        let moments = (first..last).map(Moment::Change);
        moments.flat_map(move |moment| {
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

const DISK_ENDINGS: [Ending; 6] =
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
            let is_single = matches!(ending, Ending::Pause | Ending::SyncError | Ending::ShortWrite);
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

fn victims(scene: &Scene) -> Vec<Victim> {
    let mut victims = vec![Victim::Server, Victim::Client, Victim::Session];
    if scene.way.is_standalone() {
        victims.push(Victim::Coordinator);
    }
    match scene.way.database() {
        None => {}
        Some(handfast_protocol::ResourceKind::SqliteMarker) => victims.push(Victim::Host),
        Some(_) => victims.push(Victim::Database),
    }
    victims
}

fn endings(victim: Victim) -> &'static [Ending] {
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
        ],
        Victim::Host => &[Ending::Nothing, Ending::Everything, Ending::Half, Ending::Torn],
        Victim::Database => &[Ending::Nothing, Ending::Everything, Ending::Half],
        Victim::Client => &[Ending::Kill, Ending::Pause],
        Victim::Session => &[Ending::Kill],
    }
}

/// Each victim once, struck so that as much as possible is lost.
fn plainly(scene: &Scene) -> impl Iterator<Item = (Victim, Ending)> {
    victims(scene).into_iter().map(|victim| match victim {
        Victim::Client | Victim::Session => (victim, Ending::Kill),
        Victim::Server | Victim::Coordinator | Victim::Database | Victim::Host => (victim, Ending::Nothing),
    })
}
