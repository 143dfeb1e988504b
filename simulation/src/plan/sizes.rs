//! The sizes of a run's servers. Whatever they are, the same promises hold.

use handfast_log::disk::SplitMix64;
use handfast_machine::limits::ENTRIES_IN_FLIGHT_MAX;
use handfast_queue::manager;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The store is flushed, and the log purged, after so many entries.
    pub flush_every: u64,
    /// Bytes of the log's segments: by default the smallest that there are, so that a short run changes them.
    pub segment: u64,
    /// Payload bytes of recent entries that a log keeps in memory: less than a segment, so that some are read back.
    pub log_cache: u64,
    /// Bytes of entries that a replay takes at a time: few, so that there are several batches.
    pub replay: u64,
    /// Bytes of commands that share a log entry: with one command more they fit the smallest segment.
    pub batch: u64,
    /// Entries proposed and not yet applied.
    pub window: u64,
    /// Messages of one queue's ready window.
    pub ready: u64,
    /// Bytes of messages that all ready windows keep.
    pub ready_bytes: u64,
    /// Failed messages that one queue sets aside until their time.
    pub delayed: u64,
    /// Bytes of a branch's work beyond which it is staged (P26).
    pub work: u64,
}

/// A size, its word in a plan, and what a swarm draws beside the default.
struct Size {
    name: &'static str,
    of: fn(&mut Sizes) -> &mut u64,
    others: &'static [u64],
}

const ALL: [Size; 10] = [
    Size { name: "flush-every", of: |sizes| &mut sizes.flush_every, others: &[1, 2, 3, 6, 9, 13] },
    Size { name: "segment", of: |sizes| &mut sizes.segment, others: &[8_192, 12_288, 65_536] },
    Size { name: "log-cache", of: |sizes| &mut sizes.log_cache, others: &[0, 300, 100_000] },
    Size { name: "replay", of: |sizes| &mut sizes.replay, others: &[1, 500, 100_000] },
    Size { name: "batch", of: |sizes| &mut sizes.batch, others: &[1, 200] },
    Size { name: "window", of: |sizes| &mut sizes.window, others: &[1, 2, 3] },
    Size { name: "ready", of: |sizes| &mut sizes.ready, others: &[1, 2, 5] },
    Size { name: "ready-bytes", of: |sizes| &mut sizes.ready_bytes, others: &[0, 1_000] },
    Size { name: "delayed", of: |sizes| &mut sizes.delayed, others: &[1, 2] },
    Size { name: "work", of: |sizes| &mut sizes.work, others: &[0, 16, 400] },
];

impl Default for Sizes {
    fn default() -> Sizes {
        let queues = manager::Sizes::default();
        Sizes {
            flush_every: 4,
            segment: 4_096,
            log_cache: 1_024,
            replay: 2_048,
            batch: 600,
            window: ENTRIES_IN_FLIGHT_MAX as u64,
            ready: queues.ready_keys_max as u64,
            ready_bytes: queues.ready_bytes_max as u64,
            delayed: queues.delayed_keys_max as u64,
            work: queues.work_bytes_max as u64,
        }
    }
}

impl Sizes {
    /// Each is the default in a third of the runs.
    pub fn drawn(generator: &mut SplitMix64) -> Sizes {
        Sizes::chosen(|count| {
            let is_default = generator.below(3) == 0;
            if is_default { 0 } else { 1 + generator.below(count as u64 - 1) as usize }
        })
    }

    /// `choose` is given how many values a size may have, and says which: the first is the default.
    pub fn chosen(mut choose: impl FnMut(usize) -> usize) -> Sizes {
        let mut sizes = Sizes::default();
        for Size { of, others, .. } in &ALL {
            if let Some(other) = choose(1 + others.len()).checked_sub(1) {
                *of(&mut sizes) = others[other];
            }
        }
        sizes
    }

    /// Each that is not the default, made so.
    pub fn plainer(self) -> impl Iterator<Item = Sizes> {
        let plain = move |Size { of, .. }: &Size| {
            let mut sizes = self;
            *of(&mut sizes) = *of(&mut Sizes::default());
            sizes
        };
        ALL.iter().map(plain).filter(move |sizes| *sizes != self)
    }

    /// False: there is no such size, or the value is none.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let size = ALL.iter().find(|size| size.name == name);
        size.zip(value.parse().ok()).map(|(Size { of, .. }, value)| *of(self) = value).is_some()
    }
}

/// Those that are not the default, each behind a space.
impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Size { name, of, .. } in &ALL {
            let value = *of(&mut self.clone());
            if value != *of(&mut Sizes::default()) {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}
