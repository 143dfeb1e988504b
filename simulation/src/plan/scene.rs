//! The setting of a run.

use std::collections::BTreeSet;

use super::mutant::Mutant;
use super::sizes::Sizes;
use super::way::Way;
use super::word::Worded;

/// Everything about a run but what strikes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    pub way: Way,
    /// Orders that wait in the queue at the beginning.
    pub orders: u32,
    /// Of these, the first ones: nobody can do them, and they become dead letters.
    pub poisons: u32,
    /// Of the orders, the last ones: they are to be received within [`crate::limits::LIFETIME`].
    pub expiring: u32,
    /// Of the orders, the last ones: they are not there at the beginning; a producer sends them, each once (P24).
    pub imported: u32,
    /// Bytes that each order carries along: many fill the log's segments.
    pub ballast: u32,
    /// One of them reads exclusively and in order; several share the queue.
    pub clients: u32,
    /// Clients of the next stage, which take shipments and send them on.
    pub onward: u32,
    /// 1: whoever may begins a transaction with its receive, and sends with the request to commit.
    pub combined: u32,
    pub sizes: Sizes,
    pub mutant: Mutant,
    /// Random choices and random trouble; without it whatever is oldest happens next.
    pub trouble: Option<Trouble>,
}

/// Every choice of the run, and everything that goes wrong in it, is drawn from this seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub seed: u64,
    /// Servers die all the time, until all orders could be done.
    pub is_storm: bool,
    /// The numbers of the blows that come down, of all that are drawn; `None`: each of them.
    pub only: Option<BTreeSet<u64>>,
}

impl Trouble {
    pub fn of_seed(seed: u64) -> Trouble {
        Trouble { seed, is_storm: false, only: None }
    }

    pub fn storm(seed: u64) -> Trouble {
        Trouble { is_storm: true, ..Trouble::of_seed(seed) }
    }
}

impl Default for Scene {
    fn default() -> Scene {
        Scene {
            way: Way::Local,
            orders: 2,
            poisons: 0,
            expiring: 0,
            imported: 0,
            ballast: 0,
            clients: 1,
            onward: 0,
            combined: 0,
            sizes: Sizes::default(),
            mutant: Mutant::None,
            trouble: None,
        }
    }
}

impl Scene {
    /// One word of the text; false if it is none.
    pub(super) fn set(&mut self, word: &str) -> bool {
        if let Some(way) = Way::of_word(word) {
            self.way = way;
            return true;
        }
        let Some((name, value)) = word.split_once('=') else { return false };
        let set = match name {
            "orders" => value.parse().map(|orders| self.orders = orders).is_ok(),
            "poisons" => value.parse().map(|orders| self.poisons = orders).is_ok(),
            "expiring" => value.parse().map(|orders| self.expiring = orders).is_ok(),
            "imported" => value.parse().map(|orders| self.imported = orders).is_ok(),
            "ballast" => value.parse().map(|bytes| self.ballast = bytes).is_ok(),
            "onward" => value.parse().map(|clients| self.onward = clients).is_ok(),
            "combined" => value.parse().map(|combined| self.combined = combined).is_ok(),
            "clients" => value.parse().map(|clients| self.clients = clients).is_ok(),
            "mutant" => Mutant::of_name(value).map(|mutant| self.mutant = mutant).is_some(),
            "seed" => value.parse().map(|seed| self.trouble = Some(Trouble::of_seed(seed))).is_ok(),
            "storm" => value.parse().map(|seed| self.trouble = Some(Trouble::storm(seed))).is_ok(),
            "only" => self.keep_only(value),
            name => self.sizes.set(name, value),
        };
        set && self.clients > 0
    }

    /// `only=3,17`, behind the seed; `only=` leaves out all.
    fn keep_only(&mut self, value: &str) -> bool {
        let numbers = value.split(',').filter(|number| !number.is_empty()).map(str::parse);
        match (&mut self.trouble, numbers.collect::<Result<BTreeSet<u64>, _>>()) {
            (Some(trouble), Ok(numbers)) => {
                trouble.only = Some(numbers);
                true
            }
            (None, _) | (_, Err(_)) => false,
        }
    }
}

/// `local orders=2 clients=1`, and whatever else there is.
impl std::fmt::Display for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Scene {
            way,
            orders,
            poisons,
            expiring,
            imported,
            ballast,
            clients,
            onward,
            combined,
            sizes,
            mutant,
            trouble,
        } = self;
        write!(f, "{} orders={orders} clients={clients}{sizes}", way.word())?;
        for (name, number) in [
            ("poisons", poisons),
            ("expiring", expiring),
            ("imported", imported),
            ("ballast", ballast),
            ("onward", onward),
            ("combined", combined),
        ] {
            if *number > 0 {
                write!(f, " {name}={number}")?;
            }
        }
        if *mutant != Mutant::None {
            write!(f, " mutant={}", mutant.name())?;
        }
        let Some(Trouble { seed, is_storm, only }) = trouble else { return Ok(()) };
        write!(f, " {}={seed}", if *is_storm { "storm" } else { "seed" })?;
        let Some(only) = only else { return Ok(()) };
        let numbers: Vec<String> = only.iter().map(u64::to_string).collect();
        write!(f, " only={}", numbers.join(","))
    }
}
