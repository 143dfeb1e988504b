//! The bounds of the machine, each with its reason.

/// What this program can apply (P31). A new command, or a new meaning of an old one, takes the next level; the level of the
/// group is in its state, and no command above it is proposed. A program of a lower level stops rather than guess.
pub const FEATURE_LEVEL: u16 = 1;

/// Commands are put together in one log entry until it holds this much; a single larger command has an entry of its own.
/// One mebibyte is a few milliseconds of log writing: enough to share a flush, too little to be felt behind one.
pub const BATCH_BYTES: usize = 1 << 20;

/// Room that is made for an entry before anything is known of it: as much as the last one took, up to this.
pub const ENTRY_ROOM_MAX: usize = 256 << 10;

/// Log entries proposed and not yet applied. Beyond it commands gather in the next entry, so that a slow disk means larger
/// entries and not more of them.
pub const ENTRIES_IN_FLIGHT_MAX: usize = 8;

/// Coordinators that have ever attached to this queue manager, mirrored in memory. An installation has a handful; beyond this
/// somebody draws ids for sport.
pub const VISITORS_MAX: usize = 1_000;

/// Branches in one page of what a coordinator or an operator asks for.
pub const FOREIGN_PAGE_MAX: usize = 1_000;
