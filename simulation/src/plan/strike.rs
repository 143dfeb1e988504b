//! What goes wrong, once, at a named moment: how a member ends, what of its words still arrives, and when it is back.

use super::word::{Word, Worded};

/// Who is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The queue manager.
    Server,
    /// The coordinator that is a server of its own.
    Coordinator,
    Database,
    /// The first client.
    Client,
    /// The client that imports, if there is one.
    Importer,
    /// The machine on which a SQLite file, its client and the server are: all of them lose power together (P15).
    Host,
    /// The first client's streams to its servers break, and nobody dies. The client hears of it at once; who is back late is
    /// the server: so long it takes the stream for whole.
    Session,
}

/// How it ends, and what its disk keeps of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The process is killed: its page cache lives on.
    Kill,
    /// Power is lost, and with it everything that was not synced.
    Nothing,
    /// Power is lost, and all the same everything that was written is there.
    Everything,
    /// Power is lost: the first half of the unsynced writes is there.
    Half,
    /// Power is lost: all unsynced writes are there but the last, of which only the beginning is.
    Torn,
    /// Power is lost: each sector by its own coin.
    Sectors,
    /// Nobody dies: it stands still, and its connections with it. A database or a host that is told so is killed.
    Pause,
    /// The next sync of its log fails, and the disk forgets what it should have made durable; it ends by itself (D12).
    SyncError,
    /// The next write of its log puts down a few bytes and fails; it ends by itself (D12).
    ShortWrite,
    /// The next write of its log changes nothing and fails; it ends by itself (D12).
    WriteError,
    /// Its disk is full: it ends by itself when its log needs more, and is back when somebody has made room.
    DiskFull,
}

/// What becomes of that which is on its way from and to the victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Messages {
    /// Whatever was sent arrives, though nobody may be left to hear the answer.
    Arrive,
    /// It is lost.
    Lost,
}

/// When the victim is there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Back {
    AtOnce,
    /// A few steps later: a server hears then that a stream is broken. Others are back at once.
    Soon,
    /// After [`crate::limits::AWAY`].
    Late,
}

/// When a strike comes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before the step with this number.
    Step(u64),
    /// In the middle of whatever step the victim's log asks for this change of its disk in.
    Change(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strike {
    pub moment: Moment,
    pub victim: Victim,
    pub ending: Ending,
    pub messages: Messages,
    pub back: Back,
}

impl Worded for Victim {
    const WORDS: &'static [Word<Victim>] = &[
        ("server", Victim::Server),
        ("coordinator", Victim::Coordinator),
        ("database", Victim::Database),
        ("client", Victim::Client),
        ("importer", Victim::Importer),
        ("host", Victim::Host),
        ("session", Victim::Session),
    ];
}

impl Worded for Ending {
    const WORDS: &'static [Word<Ending>] = &[
        ("kill", Ending::Kill),
        ("nothing", Ending::Nothing),
        ("everything", Ending::Everything),
        ("half", Ending::Half),
        ("torn", Ending::Torn),
        ("sectors", Ending::Sectors),
        ("pause", Ending::Pause),
        ("sync-error", Ending::SyncError),
        ("short-write", Ending::ShortWrite),
        ("write-error", Ending::WriteError),
        ("disk-full", Ending::DiskFull),
    ];
}

/// Endings that are of one kind: a run has all of it or nothing.
pub const KINDS_OF_ENDING: [&[Ending]; 7] = [
    &[Ending::Kill],
    &[Ending::Nothing, Ending::Everything, Ending::Half, Ending::Torn, Ending::Sectors],
    &[Ending::Pause],
    &[Ending::SyncError],
    &[Ending::ShortWrite],
    &[Ending::WriteError],
    &[Ending::DiskFull],
];

impl Worded for Messages {
    const WORDS: &'static [Word<Messages>] = &[("arrive", Messages::Arrive), ("lost", Messages::Lost)];
}

impl Worded for Back {
    const WORDS: &'static [Word<Back>] = &[("at-once", Back::AtOnce), ("soon", Back::Soon), ("late", Back::Late)];
}

/// `17:server:nothing:lost:late`, and `c17:...` for the 17th change of the disk.
impl std::fmt::Display for Strike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mark, number) = match self.moment {
            Moment::Step(number) => ("", number),
            Moment::Change(number) => ("c", number),
        };
        let words = [self.victim.word(), self.ending.word(), self.messages.word(), self.back.word()];
        write!(f, "{mark}{number}:{}", words.join(":"))
    }
}

impl Strike {
    /// Reads what `Display` prints.
    pub fn of_text(text: &str) -> Option<Strike> {
        let mut parts = text.split(':');
        let moment = parts.next()?;
        let moment = match moment.strip_prefix('c') {
            Some(number) => Moment::Change(number.parse().ok()?),
            None => Moment::Step(moment.parse().ok()?),
        };
        let strike = Strike {
            moment,
            victim: Victim::of_word(parts.next()?)?,
            ending: Ending::of_word(parts.next()?)?,
            messages: Messages::of_word(parts.next()?)?,
            back: Back::of_word(parts.next()?)?,
        };
        parts.next().is_none().then_some(strike)
    }
}
