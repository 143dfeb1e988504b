//! How openraft is set up: every departure from its defaults, with the reason.

use std::sync::Arc;

use openraft::{Config, SnapshotPolicy};

use crate::limits::{
    APPEND_ENTRIES_MAX, APPLIES_QUEUED_MAX, ELECTION_TIMEOUT_MAX_MS, ELECTION_TIMEOUT_MIN_MS, HEARTBEAT_INTERVAL_MS,
    NOTIFICATIONS_QUEUED_MAX, PROPOSALS_QUEUED_MAX,
};

pub(crate) fn settings() -> Arc<Config> {
    let config = Config {
        cluster_name: "handfast".to_owned(),
        heartbeat_interval: HEARTBEAT_INTERVAL_MS,
        election_timeout_min: ELECTION_TIMEOUT_MIN_MS,
        election_timeout_max: ELECTION_TIMEOUT_MAX_MS,
        // A snapshot is a flush mark, set when the store says that it flushed, and then nothing
        // below it is kept (P30).
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: 0,
        purge_batch_size: 1,
        // Every start is a new leadership and so a new epoch (P2), and the state machine, whose
        // store may stand behind the commit, catches up through that election.
        enable_leader_restore: Some(false),
        max_append_entries: Some(APPEND_ENTRIES_MAX),
        api_channel_size: Some(PROPOSALS_QUEUED_MAX),
        api_batch_capacity: APPEND_ENTRIES_MAX,
        notification_channel_size: Some(NOTIFICATIONS_QUEUED_MAX),
        state_machine_channel_size: Some(APPLIES_QUEUED_MAX),
        ..Config::default()
    };
    Arc::new(config.validate().expect("constants, in the order that limits.rs asserts"))
}
