//! The bounds of a run, each with its reason. All times are simulated ones.

use std::time::Duration;

/// When everything is well again, all jobs must be done within this time: a transaction that nobody ends is rolled back after
/// 60 s, its database is asked after 30 s of silence, and a lost branch is swept within 10 s.
pub const LIVENESS: Duration = Duration::from_secs(200);

/// A transaction whose client, servers and databases are all there ends within this time of its commit: a question for an
/// outcome waits 5 s, and what holds it up are others' locks, which a server that lost their owner keeps for 10 s. Less than
/// anybody stays away: whoever waits for somebody who has nothing to do with it is seen.
pub const HEALTHY: Duration = Duration::from_secs(20);
const _: () = assert!(HEALTHY.as_secs() < AWAY.as_secs());

/// A server that was started serves within this time; nothing that it does before takes any.
pub const STARTS: Duration = Duration::from_secs(1);

/// A run that takes more steps than this goes round in circles. The longest honest ones take a few thousand.
pub const STEPS_MAX: u64 = 200_000;

/// How long a member that does not come back at once stays away: longer than a server waits for a silent client (P12), longer
/// than a lease (P23) and than the sweep's patience (P8).
pub const AWAY: Duration = Duration::from_secs(40);

/// So long a coordinator waits for the answer of a resource that says nothing, as the drivers have it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Between one attempt of a client's job and the next, and between two questions for an outcome.
pub const CLIENT_PAUSE: Duration = Duration::from_millis(200);

/// How often that pause doubles while nothing gets better: up to 6.4 s.
pub const CLIENT_PAUSE_DOUBLINGS: u32 = 5;

/// How long a receive, an opening or a question for an outcome waits, as the trigger and the client have it.
pub const CLIENT_WAIT: Duration = Duration::from_secs(5);

/// How often a client with an exclusive reader says that it lives: three times within the lease (P23).
pub const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// The timeout of a client's transactions (D6): most live through a standstill, those of every third client do not.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
pub const SHORT_TIMEOUT: Duration = Duration::from_secs(30);
const _: () = assert!(SHORT_TIMEOUT.as_secs() < AWAY.as_secs() && AWAY.as_secs() < TRANSACTION_TIMEOUT.as_secs());

/// How often a client may vanish with a message (P22): more often than any run strikes.
pub const ABANDONED_MAX: u32 = 1_000;

/// How long an order lives that is to be received in time: some are, some are not, when servers stand still.
pub const LIFETIME: Duration = Duration::from_secs(15);

/// Prepared branches that one request for them asks for: few, so that there are several pages.
pub const SCAN_PAGE: usize = 2;
