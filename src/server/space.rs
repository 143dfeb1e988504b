//! Watches the free space of the data directory's file system (P18).

use std::path::PathBuf;

use handfast_machine::Event;
use handfast_queue::manager::Space;

use super::core_thread::Core;
use super::limits::HOUSEKEEPING;

/// Tells the core when less than `reserve` bytes are free and when space is ample again. A file system that cannot be asked
/// changes nothing.
pub async fn watch_space(core: Core, path: PathBuf, reserve: u64) {
    let mut known = Space::Ample;
    loop {
        match rustix::fs::statvfs(&path) {
            Ok(fs) => {
                let free = fs.f_bavail.saturating_mul(fs.f_frsize);
                let space = judge(known, free, reserve);
                if space != known {
                    tracing::warn!(free_bytes = free, ?space, "disk space");
                    if core.event(Event::Space(space)).is_err() {
                        return;
                    }
                    known = space;
                }
            }
            Err(error) => tracing::warn!(%error, "the free disk space cannot be read"),
        }
        tokio::time::sleep(HOUSEKEEPING).await;
    }
}

/// Two marks, so that the states do not alternate at one.
fn judge(known: Space, free: u64, reserve: u64) -> Space {
    match known {
        Space::Ample if free < reserve => Space::Low,
        Space::Low if free > reserve.saturating_add(reserve / 2) => Space::Ample,
        Space::Ample | Space::Low => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p18_has_a_low_and_a_high_mark() {
        let table = [
            (Space::Ample, 100, Space::Ample),
            (Space::Ample, 99, Space::Low),
            (Space::Low, 150, Space::Low),
            (Space::Low, 151, Space::Ample),
        ];
        for (known, free, expected) in table {
            assert_eq!(judge(known, free, 100), expected, "{known:?} {free}");
        }
    }
}
