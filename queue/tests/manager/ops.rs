//! The random deeds of the model test.

use handfast_queue::Blame;
use proptest::prelude::*;

/// The dead-letter queue is one to receive from, like the others.
pub const QUEUES: [&str; 3] = ["orders", "shipments", "dead-letter"];
pub const XIDS: [&str; 4] = ["t1", "t2", "t3", "t4"];

/// What may happen next.
#[derive(Debug, Clone)]
pub enum Op {
    Send {
        connection: u64,
        queue: usize,
        branch: Option<usize>,
        count: usize,
        priority: u8,
        lives: Option<u64>,
    },
    Receive {
        connection: u64,
        queue: usize,
        branch: Option<usize>,
        wait: u64,
    },
    Start {
        connection: u64,
        branch: usize,
        timeout: u64,
    },
    End {
        branch: usize,
    },
    /// Ends its work first, unless `early`.
    Prepare {
        branch: usize,
        early: bool,
    },
    Commit {
        branch: usize,
        one_phase: bool,
        early: bool,
    },
    Rollback {
        branch: usize,
        blame: Option<Blame>,
    },
    Purge {
        queue: usize,
        to_dead_letter: bool,
    },
    /// Sends the first so many dead letters back.
    Return {
        count: usize,
    },
    Open {
        connection: u64,
        queue: usize,
        wait: u64,
    },
    Close {
        connection: u64,
        queue: usize,
    },
    KeepAlive {
        connection: u64,
    },
    Disconnect {
        connection: u64,
    },
    Apply {
        count: usize,
    },
    /// Applies ahead of what the manager is told.
    ApplyAhead {
        count: usize,
    },
    Pass {
        millis: u64,
    },
    Crash,
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let connection = || 1..4u64;
    let queue = || 0..QUEUES.len();
    let branch = || 0..XIDS.len();
    let early = || prop::bool::weighted(0.1);
    let blame = prop_oneof![
        Just(None),
        Just(Some(Blame::Message { error: "broken".into() })),
        Just(Some(Blame::Reject { error: "unusable".into() })),
    ];
    let wait = || prop_oneof![Just(0), Just(500), Just(60_000)];
    let lives = prop::option::weighted(0.2, prop_oneof![Just(50u64), Just(2_000)]);
    let op = prop_oneof![
        6 => (connection(), queue(), prop::option::of(branch()), 1..4usize, 2..5u8, lives).prop_map(
            |(connection, queue, branch, count, priority, lives)| {
                Op::Send { connection, queue, branch, count, priority, lives }
            }
        ),
        8 => (connection(), queue(), prop::option::weighted(0.7, branch()), wait()).prop_map(
            |(connection, queue, branch, wait)| Op::Receive { connection, queue, branch, wait }
        ),
        5 => (connection(), branch(), prop_oneof![Just(300u64), Just(60_000)])
            .prop_map(|(connection, branch, timeout)| Op::Start { connection, branch, timeout }),
        1 => branch().prop_map(|branch| Op::End { branch }),
        2 => (branch(), early()).prop_map(|(branch, early)| Op::Prepare { branch, early }),
        4 => (branch(), any::<bool>(), early())
            .prop_map(|(branch, one_phase, early)| Op::Commit { branch, one_phase, early }),
        3 => (branch(), blame).prop_map(|(branch, blame)| Op::Rollback { branch, blame }),
        1 => (queue(), any::<bool>()).prop_map(|(queue, to_dead_letter)| Op::Purge { queue, to_dead_letter }),
        2 => (1..3usize).prop_map(|count| Op::Return { count }),
        1 => (connection(), queue(), wait()).prop_map(|(connection, queue, wait)| Op::Open { connection, queue, wait }),
        1 => (connection(), queue()).prop_map(|(connection, queue)| Op::Close { connection, queue }),
        1 => connection().prop_map(|connection| Op::KeepAlive { connection }),
        1 => connection().prop_map(|connection| Op::Disconnect { connection }),
        10 => (1..6usize).prop_map(|count| Op::Apply { count }),
        2 => (1..4usize).prop_map(|count| Op::ApplyAhead { count }),
        4 => prop_oneof![Just(1u64), Just(120), Just(700), Just(6_000)].prop_map(|millis| Op::Pass { millis }),
        1 => Just(Op::Crash),
    ];
    prop::collection::vec(op, 1..200)
}
