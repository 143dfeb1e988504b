//! What a seed lets go wrong, and how much of it.

use handfast_log::disk::{Crash, SplitMix64, Survival};

/// Of each class `None` in a third of the runs. Times are in ticks, chances in a thousand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub seed: u64,
    /// How often, on average, a member is killed.
    pub kills: Option<u64>,
    pub power_losses: Option<u64>,
    /// All members at once.
    pub blackouts: Option<u64>,
    /// A write or sync of a log fails.
    pub disk_errors: Option<u64>,
    /// Chance that a start is cut off as well.
    pub cut_starts: Option<u64>,
    pub partitions: Option<u64>,
    pub one_way: Option<u64>,
    pub lost: Option<u64>,
    pub doubled: Option<u64>,
    /// The longest time on the way: messages overtake each other.
    pub delays: Option<u64>,
    /// The longest time of a sync.
    pub slow_disks: Option<u64>,
    pub slow_apply: Option<u64>,
    /// How often a store is flushed, and the log below it purged.
    pub flushes: Option<u64>,
}

impl Plan {
    /// Nothing goes wrong.
    pub fn calm(seed: u64) -> Plan {
        Plan {
            seed,
            kills: None,
            power_losses: None,
            blackouts: None,
            disk_errors: None,
            cut_starts: None,
            partitions: None,
            one_way: None,
            lost: None,
            doubled: None,
            delays: None,
            slow_disks: None,
            slow_apply: None,
            flushes: None,
        }
    }

    pub fn new(seed: u64) -> Plan {
        let mut random = SplitMix64::new(seed ^ 0x6D65_6D62_6572_7321);
        let mut draw = |least: u64, most: u64| match random.below(3) {
            0 => None,
            _ => Some(least + random.below(most - least + 1)),
        };
        Plan {
            seed,
            kills: draw(200, 3_000),
            power_losses: draw(200, 3_000),
            blackouts: draw(1_000, 8_000),
            disk_errors: draw(500, 4_000),
            cut_starts: draw(50, 500),
            partitions: draw(400, 4_000),
            one_way: draw(400, 4_000),
            lost: draw(5, 200),
            doubled: draw(5, 200),
            delays: draw(2, 80),
            slow_disks: draw(2, 60),
            slow_apply: draw(1, 20),
            flushes: draw(50, 600),
        }
    }
}

pub(super) fn any_power_loss(random: &mut SplitMix64) -> Crash {
    let changes = random.below(8) as usize;
    Crash::PowerLoss(match random.below(5) {
        0 => Survival::Nothing,
        1 => Survival::Everything,
        2 => Survival::Prefix { changes },
        3 => Survival::Torn { changes, bytes: random.below(2_000) as usize },
        _ => Survival::Sectors { seed: random.next_u64() },
    })
}
