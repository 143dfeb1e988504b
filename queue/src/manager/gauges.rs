//! What the manager holds in memory, beside its bounds (G7).

use handfast_protocol::Gauge;

use super::Manager;
use super::limits::{WAITING_MAX, WINDOWS_MAX};

impl Manager {
    pub fn gauges(&self) -> [Gauge; 8] {
        let Manager { active, staged, ready, waiting, locks, branches, bodies, sizes, .. } = self;
        [
            Gauge::new("branches_active", "Branches that are at work or are being ended", branches.len()),
            Gauge::new("active_bytes", "What active branches hold in memory", active.used()).of(active.limit()),
            Gauge::new(
                "staged_bytes",
                "What active branches have written ahead; a part of a body counts as 1 KiB",
                staged.used(),
            )
            .of(staged.limit()),
            Gauge::new("staged_bodies", "Bodies that no send has named yet", bodies.len()),
            Gauge::new("locked_messages", "Messages that active branches have received", locks.len()),
            Gauge::new("waiting_receives", "Receives that wait for a message", waiting.len()).of(WAITING_MAX),
            // Those that somebody waits on stay beside them.
            Gauge::new("ready_windows", "Queues whose next messages are known", ready.windows().count())
                .of(WINDOWS_MAX + waiting.queues()),
            Gauge::new("ready_bytes", "Messages that are kept to be handed out next", ready.cached())
                .of(sizes.ready_bytes_max),
        ]
    }
}
