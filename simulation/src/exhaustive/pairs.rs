//! Two strikes in one run: recovery is struck while it runs (crash points 35, 39 and 51). What the first strike leaves of the run
//! says where the second can come down.

use super::{DISK_ENDINGS, Exhausted, strikes, victims};
use crate::plan::{Back, Ending, Messages, Moment, Plan, Scene, Strike, Victim};

/// Which pairs, of all single strikes and all that can come down after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// A server's process is killed, at each step and each change of its disk; then, alike, it ends once more, in each way that
    /// its disk can: what the second life read and acted on was in the page cache, until the power was lost (crash point 51).
    KilledThenUnpowered,
    /// Of the whole product one in so many first strikes, and of those that come after it one in so many.
    Every { one_in: usize },
}

impl Pairs {
    fn begin_with(self, at: usize, first: &Strike) -> bool {
        match self {
            Pairs::KilledThenUnpowered => {
                matches!(first.victim, Victim::Server | Victim::Coordinator)
                    && is_plain(first)
                    && first.ending == Ending::Kill
            }
            Pairs::Every { one_in } => at.is_multiple_of(one_in),
        }
    }

    fn end_with(self, at: usize, first: &Strike, second: &Strike) -> bool {
        match self {
            Pairs::KilledThenUnpowered => {
                second.victim == first.victim && is_plain(second) && DISK_ENDINGS.contains(&second.ending)
            }
            Pairs::Every { one_in } => at.is_multiple_of(one_in),
        }
    }
}

/// Everything arrives, and it is back at once.
fn is_plain(strike: &Strike) -> bool {
    (strike.messages, strike.back) == (Messages::Arrive, Back::AtOnce)
}

/// These pairs on this scene, the second strike within `window` steps of the first; `u64::MAX` is wherever there is one. After
/// the seconds of each first `tell` is told how far it is.
pub fn pairs(scene: &Scene, pairs: Pairs, window: u64, mut tell: impl FnMut(&Plan, &Exhausted)) -> Exhausted {
    Exhausted::of(scene, |exhausted, plan, calm| {
        let firsts = strikes(scene, calm, 0, calm.steps).enumerate();
        for (at, first) in firsts.filter(|(at, first)| pairs.begin_with(*at, first)) {
            let plan = plan.struck(first);
            let Some(ran) = exhausted.take(&plan) else { return };
            // At the end of a run somebody may be struck when all is done.
            let Some(struck) = ran.struck_at.first().filter(|struck| **struck < ran.steps) else { continue };
            let last = struck.saturating_add(window).min(ran.steps);
            // So that another first is followed by others.
            let seconds = (at..).zip(strikes(scene, &ran, struck + 1, last));
            let seconds = seconds.filter(|(at, second)| pairs.end_with(*at, &first, second));
            if !exhausted.take_all(&plan, seconds.map(|(_, second)| second)) {
                return;
            }
            tell(&plan, exhausted);
        }
    })
}

/// Each victim struck in the plainest way before each step, and then each victim again, within `window` steps; `u64::MAX` is
/// every such pair.
pub fn plain_pairs(scene: &Scene, window: u64) -> Exhausted {
    Exhausted::of(scene, |exhausted, plan, calm| {
        for first in (0..=calm.steps).flat_map(|step| plainly(scene, step)) {
            let plan = plan.struck(first);
            let Moment::Step(step) = first.moment else { unreachable!("it comes before a step") };
            let seconds = (step + 1..=step + window.min(WHOLE * calm.steps)).flat_map(|step| plainly(scene, step));
            if !exhausted.take_all(&plan, seconds) {
                return;
            }
        }
    })
}

/// A run with a strike in it ends within so many times the steps of the one without.
const WHOLE: u64 = 3;

/// Each victim once, struck so that as much as possible is lost.
fn plainly(scene: &Scene, step: u64) -> impl Iterator<Item = Strike> {
    victims(scene).into_iter().map(move |victim| {
        let ending = match victim {
            Victim::Client | Victim::Importer | Victim::Session => Ending::Kill,
            Victim::Server | Victim::Coordinator | Victim::Database | Victim::Host => Ending::Nothing,
        };
        let moment = Moment::Step(step);
        Strike { moment, victim, ending, messages: Messages::Arrive, back: Back::AtOnce }
    })
}
