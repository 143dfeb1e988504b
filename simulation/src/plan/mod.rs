//! What a run is told: the scene, the seed of its choices, and what goes wrong when. A plan's text is all that is needed to run
//! it again.

mod mutant;
mod scene;
mod sizes;
mod strike;
mod way;
mod word;

pub use mutant::Mutant;
pub use scene::{Scene, Trouble};
pub use sizes::Sizes;
pub use strike::{Back, Ending, KINDS_OF_ENDING, Messages, Moment, Strike, Victim};
pub use way::Way;
pub use word::Worded;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub scene: Scene,
    /// In the order in which they come down.
    pub strikes: Vec<Strike>,
}

/// A text that is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} has no place in a plan; a plan is a line such as: {example}")]
pub struct PlanError {
    word: String,
    example: String,
}

impl Plan {
    pub fn new(scene: Scene) -> Plan {
        Plan { scene, strikes: Vec::new() }
    }

    #[must_use]
    pub fn struck(&self, strike: Strike) -> Plan {
        let mut plan = self.clone();
        plan.strikes.push(strike);
        plan
    }

    /// Reads what `Display` prints.
    pub fn of_text(text: &str) -> Result<Plan, PlanError> {
        let mut plan = Plan::new(Scene::default());
        for word in text.split_whitespace() {
            if let Some(strike) = Strike::of_text(word) {
                plan.strikes.push(strike);
            } else if !plan.scene.set(word) {
                return Err(PlanError { word: word.to_owned(), example: Plan::new(Scene::default()).to_string() });
            }
        }
        Ok(plan)
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.scene)?;
        self.strikes.iter().try_for_each(|strike| write!(f, " {strike}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_as_it_is_printed() {
        let strike = Strike {
            moment: Moment::Change(9),
            victim: Victim::Host,
            ending: Ending::Torn,
            messages: Messages::Lost,
            back: Back::Late,
        };
        for way in Way::all() {
            for (mutant, trouble) in [
                (Mutant::None, None),
                (Mutant::SkipsReplay, Some(Trouble { only: Some([3, 17].into()), ..Trouble::storm(77) })),
            ] {
                let scene =
                    Scene { way, mutant, trouble, orders: 5, poisons: 1, ballast: 7, clients: 2, ..Scene::default() };
                let later = Strike { moment: Moment::Step(40), ..strike };
                let plan = Plan::new(scene).struck(strike).struck(later);
                assert_eq!(Plan::of_text(&plan.to_string()), Ok(plan));
            }
        }
    }

    #[test]
    fn a_word_without_a_place_is_named() {
        let refused = Plan::of_text("local 17:server:kill:arrive").unwrap_err();
        assert_eq!(refused.word, "17:server:kill:arrive");
    }
}
