//! Mistakes that the cores and the log can be told to make, one at a time, so that the simulation shows that it would see them.
//!
//! Without the feature `mutants` there is none of it: [`is`] is constantly false, and the compiler takes the mistakes out.

macro_rules! mutants {
    ($($(#[doc = $what:literal])+ $name:ident = $word:literal,)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[doc = $what])+ $name,)+
        }

        impl Mutant {
            /// Each with the word that a plan names it by.
            pub const ALL: &[(&'static str, Mutant)] = &[$(($word, Mutant::$name),)+];
        }
    };
}

mutants! {
    // The log.
    /// What a process found above the synced position is acted on without being made durable (P28, crash point 51).
    TrustsTail = "trusts-tail",
    /// The name of a new segment is not made durable.
    SkipsDirectorySync = "skips-directory-sync",
    /// A failed sync is passed over, and the next one is believed (D12).
    GoesOnAfterSyncError = "goes-on-after-sync-error",
    /// Damage below the synced position is taken for the end of the log (P28).
    TakesDamageForTheEnd = "takes-damage-for-the-end",

    // The machine.
    /// Entries that were judged in an ended epoch take effect (P2).
    AppliesStaleEpochs = "applies-stale-epochs",
    /// Readers are served while results of the same apply have not been told.
    ServesBehind = "serves-behind",
    /// Sends beside a two-phase branch are there before it has committed (P10).
    ShowsHeldSends = "shows-held-sends",

    // The coordinator.
    /// Names of transactions begin anew in each epoch (P1).
    NamesAgain = "names-again",
    /// The decision does not wait for the votes.
    DecidesBeforeVotes = "decides-before-votes",
    /// A vote to roll back is taken for one to commit.
    TakesRefusalForVote = "takes-refusal-for-vote",
    /// The client is told to go before the delegation is durable (P11).
    GoesBeforeDelegated = "goes-before-delegated",
    /// A client that is silent for too long has rolled back (P11).
    TakesSilenceForRollback = "takes-silence-for-rollback",
    /// A client that is not certain has rolled back (P12).
    TakesDoubtForRollback = "takes-doubt-for-rollback",
    /// A database that does not answer has rolled back (P12).
    TakesUnreachableForRollback = "takes-unreachable-for-rollback",
    /// Transactions that somebody attends to are swept as well (P8, P20).
    SweepsLive = "sweeps-live",
    /// A resource is scanned until nothing is found there, and never again (P8).
    SweepsOnce = "sweeps-once",
    /// A branch of a transaction that nobody knows of is committed (D4).
    PresumesCommit = "presumes-commit",
    /// A participant that does not answer is taken for one that has voted to commit.
    TakesSilenceForVote = "takes-silence-for-vote",
    /// What ended in more than one way is forgotten when a leadership begins (XA+ 2.3.3).
    ForgetsHeuristics = "forgets-heuristics",
    /// A branch counts as done when it is told to commit, not when it has.
    ForgetsBeforeAcknowledged = "forgets-before-acknowledged",
    /// Committed is answered before the services have applied it (P19).
    AnswersBeforeServices = "answers-before-services",
    /// Services are told commits in any order (P19).
    TellsOutOfOrder = "tells-out-of-order",
    /// A resource that is ahead, or that has never heard of this coordinator, is taken for its own (P3).
    AdoptsUnasked = "adopts-unasked",
    /// Marker rows are cleared while somebody needs them (P14).
    ClearsMarkersEarly = "clears-markers-early",

    // The queues.
    /// A prepared branch does not outlive its leadership.
    DropsPrepared = "drops-prepared",
    /// What expires is taken away whoever holds it (P17).
    ExpiresHeld = "expires-held",
    /// Messages are handed out newest first (G4).
    HandsOutNewest = "hands-out-newest",
    /// A message that comes back is handed out after those that have just arrived (G4).
    RedeliversLast = "redelivers-last",
    /// Who reads alone is handed messages past those that others hold (P23).
    ReadsPastHeld = "reads-past-held",
    /// A failed attempt is not counted (P22).
    CountsNoAttempt = "counts-no-attempt",
    /// A consumer that vanished is counted as a failed attempt (P22).
    BlamesMessages = "blames-messages",
    /// What a branch held of the memory for active branches stays taken when it rolls back.
    KeepsAccount = "keeps-account",
    /// A branch that has voted read-only is not let go.
    KeepsReadOnly = "keeps-read-only",
    /// Nobody is told that a message became free.
    WakesNobody = "wakes-nobody",
    /// What a producer repeats is taken for something new (P24).
    TakesRepeatedForNew = "takes-repeated-for-new",
    /// A commit goes on without the messages that it was to send, where they are refused.
    CommitsUnsent = "commits-unsent",
    /// A dead letter stays in its queue as well (G5).
    DiesAndLives = "dies-and-lives",
}

/// Whether this build can make mistakes at all. A program that serves refuses to be built so.
pub const BUILT_IN: bool = cfg!(feature = "mutants");

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    use super::Mutant;

    // A run has a thread to itself, and several run at a time.
    thread_local! {
        static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// From here on the code makes this mistake, on this thread.
    pub fn choose(mutant: Option<Mutant>) {
        CHOSEN.set(mutant);
    }

    pub fn is(mutant: Mutant) -> bool {
        CHOSEN.get() == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub use chosen::{choose, is};

/// Whether the code is to make this mistake.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn is(_: Mutant) -> bool {
    false
}
