//! Watches the free space of the data directory's file system (P18).

use std::path::PathBuf;

use handfast_machine::Event;
use handfast_queue::manager::Space;
use tokio::sync::Notify;

use super::core_thread::Core;
use super::limits::{AMPLE_ABOVE_BYTES, FLUSH_ROOM_BYTES, HOUSEKEEPING, LOOKS_PER_FLUSH};

/// Tells the core when less than `reserve` bytes are free and when space is ample again. While it is low it asks for flushes:
/// what was received and deleted gives its space back only once the deletions are in the store's files, and without sends
/// nothing else would bring them there. A file system that cannot be asked changes nothing.
pub async fn watch_space(core: Core, path: PathBuf, reserve: u64, flush: &Notify) {
    let mut watch = Watch { reserve, known: Space::Ample, looks: 0 };
    loop {
        match rustix::fs::statvfs(&path) {
            Ok(fs) => {
                let free = fs.f_bavail.saturating_mul(fs.f_frsize);
                let Seen { changed, flush_now } = watch.look(free);
                if let Some(space) = changed {
                    tracing::warn!(free_bytes = free, ?space, "disk space");
                    if core.event(Event::Space(space)).await.is_err() {
                        return;
                    }
                }
                if flush_now {
                    flush.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "the free disk space cannot be read"),
        }
        tokio::time::sleep(HOUSEKEEPING).await;
    }
}

struct Watch {
    reserve: u64,
    known: Space,
    /// Since space became low.
    looks: u32,
}

/// What one look says.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    changed: Option<Space>,
    flush_now: bool,
}

impl Watch {
    fn look(&mut self, free: u64) -> Seen {
        let space = self.judge(free);
        let changed = (space != self.known).then_some(space);
        self.known = space;
        self.looks = if space == Space::Low { self.looks + 1 } else { 0 };
        let flush_now = self.looks > 0 && self.looks.is_multiple_of(LOOKS_PER_FLUSH) && free >= FLUSH_ROOM_BYTES;
        Seen { changed, flush_now }
    }

    /// Two marks, so that the states do not alternate at one.
    fn judge(&self, free: u64) -> Space {
        let ample = self.reserve.saturating_add((self.reserve / 2).min(AMPLE_ABOVE_BYTES));
        match self.known {
            Space::Ample if free < self.reserve => Space::Low,
            Space::Low if free > ample => Space::Ample,
            Space::Ample | Space::Low => self.known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p18_has_a_low_and_a_high_mark() {
        let table = [
            (100, Space::Ample, 100, Space::Ample),
            (100, Space::Ample, 99, Space::Low),
            (100, Space::Low, 150, Space::Low),
            (100, Space::Low, 151, Space::Ample),
            (1 << 40, Space::Low, (1 << 40) + AMPLE_ABOVE_BYTES, Space::Low),
            (1 << 40, Space::Low, (1 << 40) + AMPLE_ABOVE_BYTES + 1, Space::Ample),
        ];
        for (reserve, known, free, expected) in table {
            assert_eq!(Watch { reserve, known, looks: 0 }.judge(free), expected, "{reserve} {known:?} {free}");
        }
    }

    #[test]
    fn p18_low_space_asks_for_flushes_as_long_as_there_is_room_for_them() {
        let mut watch = Watch { reserve: 2 * FLUSH_ROOM_BYTES, known: Space::Ample, looks: 0 };
        let mut flushes = |free: u64, looks: u32| (0..looks).filter(|_| watch.look(free).flush_now).count();
        assert_eq!(flushes(u64::MAX, 3 * LOOKS_PER_FLUSH), 0);
        assert_eq!(flushes(FLUSH_ROOM_BYTES, 3 * LOOKS_PER_FLUSH), 3);
        assert_eq!(flushes(FLUSH_ROOM_BYTES - 1, 3 * LOOKS_PER_FLUSH), 0);
        assert_eq!(flushes(u64::MAX, 3 * LOOKS_PER_FLUSH), 0);
    }
}
