//! How many crash-recoveries a second of one processor gives.
//!
//! One is counted when a server or a coordinator has ended, by a kill, a loss of power, or its own disk, and comes back: its log
//! and its store are recovered from what the disk kept, its invariants hold, and its state is compared with the log's. The run
//! around it is counted as time: setting the scene, the work of clients, the audit, and the checker's judgement. Databases that
//! recover, clients that die and leaderships that end are work, and are not counted.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::probes::{Probe, Probes};

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    pub recoveries: u64,
    /// Of all threads together, and of their processors alone: whoever else uses the machine does not count.
    pub busy: Duration,
}

impl Pace {
    pub fn add(&mut self, other: Pace) {
        self.recoveries += other.recoveries;
        self.busy += other.busy;
    }

    /// Crash-recoveries for each second of one processor.
    pub fn each_second(&self) -> f64 {
        self.recoveries as f64 / self.busy.as_secs_f64()
    }
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (count, each_second) = (self.recoveries, self.each_second());
        write!(f, "{count} crash-recoveries in {:.1?} of processor time, {each_second:.0} a second", self.busy)
    }
}

/// The time that its thread has had of its processor.
#[derive(Debug)]
pub(crate) struct ThreadClock {
    began: Duration,
}

impl ThreadClock {
    pub fn start() -> ThreadClock {
        ThreadClock { began: now() }
    }

    pub fn pace(&self, probes: &Probes) -> Pace {
        Pace { recoveries: probes[Probe::ServerRecoveries], busy: now().saturating_sub(self.began) }
    }
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
