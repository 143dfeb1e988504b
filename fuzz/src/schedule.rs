//! Bytes to a plan of the simulation: a small scene, and up to five strikes in it. It is run and judged.
//!
//! The swarm draws such plans blindly; here a plan that reached something new is the ground of further ones.

use handfast_simulation::exhaustive::{DISK_ENDINGS, endings, victims};
use handfast_simulation::plan::{Back, Messages, Moment, Plan, Scene, Sizes, Strike, Trouble, Way, Worded};
use handfast_simulation::trial::try_plan;

use crate::draws::Draws;

/// Small scenes: a run takes about a millisecond, and what two orders do, six do as well.
const ORDERS_MAX: usize = 6;
const CLIENTS_MAX: usize = 3;
const ONWARD_MAX: usize = 2;
/// Bytes: three orders or so fill a segment of the log.
const BALLAST_STEP: u32 = 6;

/// More than the simulation's other tests put into one plan on purpose.
const STRIKES_MAX: usize = 5;

/// Runs the plan of these bytes.
pub fn check(bytes: &[u8]) {
    if let Err(failed) = try_plan(&plan(bytes)) {
        panic!("{failed}");
    }
}

/// Any bytes are a plan.
pub fn plan(bytes: &[u8]) -> Plan {
    let mut draws = Draws::new(bytes);
    let way: Way = word(&mut draws);
    let orders = 1 + draws.below(ORDERS_MAX) as u32;
    // Two thirds of the orders can be done, so that something is.
    let poisons = draws.below(3) as u32;
    let expiring = draws.below(3) as u32;
    let mut scene = Scene {
        way,
        orders,
        poisons: poisons.min(orders / 3),
        expiring: expiring.min(orders / 3),
        ballast: u32::from(draws.byte()) * BALLAST_STEP,
        clients: 1 + draws.below(CLIENTS_MAX) as u32,
        onward: draws.below(ONWARD_MAX + 1) as u32,
        imported: draws.below(orders as usize + 1) as u32,
        sizes: Sizes::chosen(|count| draws.below(count)),
        ..Scene::default()
    };
    if draws.coin() {
        scene.trouble = Some(Trouble::of_seed(draws.u64()));
    }
    let victims = victims(&scene);
    let mut plan = Plan::new(scene);
    let mut step = 0;
    while !draws.is_empty() && plan.strikes.len() < STRIKES_MAX {
        let victim = one_of(&victims, &mut draws);
        let (moment, ending) = if draws.coin() {
            (Moment::Change(u64::from(draws.u16())), one_of(&DISK_ENDINGS, &mut draws))
        } else {
            step += u64::from(draws.byte());
            (Moment::Step(step), one_of(endings(victim), &mut draws))
        };
        let (messages, back): (Messages, Back) = (word(&mut draws), word(&mut draws));
        plan.strikes.push(Strike { moment, victim, ending, messages, back });
    }
    plan
}

fn word<T: Worded>(draws: &mut Draws<'_>) -> T {
    one_of(&T::all().collect::<Vec<T>>(), draws)
}

fn one_of<T: Copy>(all: &[T], draws: &mut Draws<'_>) -> T {
    all[draws.below(all.len())]
}
