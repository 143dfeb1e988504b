//! Mistakes that a run can be told to make: each breaks one rule, and the checker must see it. These are in the simulation's own
//! shell, its databases and its clients; those of the cores and the log are in simulation/mutants, and there in builds with
//! the feature `mutants` only.

use handfast_mutants::Mutant as CoreMutant;

use super::word::{Word, Worded};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    None,
    /// The log's entries are applied, and answered, when they are written and not when they are synced (G2).
    AnswersBeforeSync,
    /// The log is purged up to what is applied, not to what the store has flushed (D1).
    PurgesBeforeFlush,
    /// After a restart the entries above the store's position are not replayed.
    SkipsReplay,
    /// A delegated transaction is presumed to have rolled back (P11).
    PresumesDelegated,
    /// The row is looked for, and its absence taken for an outcome, without writing the opposite one (P12).
    LooksWithoutFence,
    /// The deciding commit is answered before it is flushed (P13).
    DecidesWithoutFlush,
    /// A client whose commit was not answered takes it for rolled back (P21).
    TakesUnknownForRolledBack,
    /// A client whose deciding commit was not answered reports that it committed.
    ReportsWhatItHopes,
    /// Recovery rolls back every branch that bears our identity, without asking the log (P8).
    SweepsEverything,
    /// Phase two is acknowledged without being done.
    AcknowledgesUndone,
    /// The queue manager votes before its prepare is durable.
    VotesBeforeSync,
    /// The queue manager takes the rollback of a branch for the end of one that it has prepared, and keeps its locks.
    ForgetsToRollBack,
    /// A server takes no request while a database is away.
    WaitsForEverybody,
    /// A client to whom COMMIT or PREPARE was answered ROLLBACK, without an error, takes it for done (P6).
    TakesRollbackForCommit,
    /// A client goes on to commit after a statement of its transaction has failed (P6).
    GoesOnAfterError,
    /// A database that cannot be reached counts as an attempt of the message (P22).
    BlamesForOutages,
    /// Of the log's entries those that the store has are replayed as well.
    AppliesTwice,
    /// Of the cores or the log.
    Core(CoreMutant),
}

impl Mutant {
    /// Every one of both kinds but none at all.
    pub fn every() -> impl Iterator<Item = Mutant> {
        let shell = Mutant::all().filter(|mutant| *mutant != Mutant::None);
        shell.chain(CoreMutant::ALL.iter().map(|(_, mutant)| Mutant::Core(*mutant)))
    }

    pub fn name(self) -> &'static str {
        match self {
            Mutant::Core(core) => {
                let named = CoreMutant::ALL.iter().find(|(_, mutant)| *mutant == core);
                named.map(|(word, _)| *word).expect("every mutant has its word in the table")
            }
            shell => shell.word(),
        }
    }

    pub fn of_name(name: &str) -> Option<Mutant> {
        let core = CoreMutant::ALL.iter().find(|(word, _)| *word == name);
        Mutant::of_word(name).or(core.map(|(_, mutant)| Mutant::Core(*mutant)))
    }
}

impl Worded for Mutant {
    const WORDS: &'static [Word<Mutant>] = &[
        ("none", Mutant::None),
        ("answers-before-sync", Mutant::AnswersBeforeSync),
        ("purges-before-flush", Mutant::PurgesBeforeFlush),
        ("skips-replay", Mutant::SkipsReplay),
        ("presumes-delegated", Mutant::PresumesDelegated),
        ("looks-without-fence", Mutant::LooksWithoutFence),
        ("decides-without-flush", Mutant::DecidesWithoutFlush),
        ("takes-unknown-for-rolled-back", Mutant::TakesUnknownForRolledBack),
        ("reports-what-it-hopes", Mutant::ReportsWhatItHopes),
        ("sweeps-everything", Mutant::SweepsEverything),
        ("acknowledges-undone", Mutant::AcknowledgesUndone),
        ("votes-before-sync", Mutant::VotesBeforeSync),
        ("forgets-to-roll-back", Mutant::ForgetsToRollBack),
        ("waits-for-everybody", Mutant::WaitsForEverybody),
        ("takes-rollback-for-commit", Mutant::TakesRollbackForCommit),
        ("goes-on-after-error", Mutant::GoesOnAfterError),
        ("blames-for-outages", Mutant::BlamesForOutages),
        ("applies-twice", Mutant::AppliesTwice),
    ];
}
