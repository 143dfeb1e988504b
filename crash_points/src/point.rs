//! The places.

/// A place in a program. Its name is part of the interface of [`crate::VARIABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    LogRecovered,
    StoreOpened,
    Serving,
    Proposing,
    LogWriting,
    LogWritten,
    LogSynced,
    Applying,
    Applied,
    Told,
    Asking,
    Asked,
    Flushing,
    Flushed,
    Marked,
    ClientBegun,
    ClientWorked,
    ClientPrepared,
    ClientGo,
    ClientDecided,
    ClientEnded,
}

impl CrashPoint {
    pub const ALL: [CrashPoint; 21] = [
        CrashPoint::LogRecovered,
        CrashPoint::StoreOpened,
        CrashPoint::Serving,
        CrashPoint::Proposing,
        CrashPoint::LogWriting,
        CrashPoint::LogWritten,
        CrashPoint::LogSynced,
        CrashPoint::Applying,
        CrashPoint::Applied,
        CrashPoint::Told,
        CrashPoint::Asking,
        CrashPoint::Asked,
        CrashPoint::Flushing,
        CrashPoint::Flushed,
        CrashPoint::Marked,
        CrashPoint::ClientBegun,
        CrashPoint::ClientWorked,
        CrashPoint::ClientPrepared,
        CrashPoint::ClientGo,
        CrashPoint::ClientDecided,
        CrashPoint::ClientEnded,
    ];

    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// Where it is, in plain words.
    pub fn place(self) -> &'static str {
        self.names().1
    }

    pub fn named(name: &str) -> Option<CrashPoint> {
        CrashPoint::ALL.into_iter().find(|point| point.name() == name)
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            CrashPoint::LogRecovered => ("log-recovered", "start: the log is recovered, the store is not open yet"),
            CrashPoint::StoreOpened => ("store-opened", "start: the store is open, what it lacks is not applied yet"),
            CrashPoint::Serving => ("serving", "start: everything is applied, nobody is served yet"),
            CrashPoint::Proposing => ("proposing", "an entry is made, and not handed to the log; about its commands"),
            CrashPoint::LogWriting => ("log-writing", "the log's thread has entries to write"),
            CrashPoint::LogWritten => ("log-written", "entries are written, and not synced"),
            CrashPoint::LogSynced => ("log-synced", "entries are durable, and nobody knows"),
            CrashPoint::Applying => ("applying", "an entry is committed, and not applied; about its commands"),
            CrashPoint::Applied => ("applied", "an entry is applied, and nobody is told; about its commands"),
            CrashPoint::Told => ("told", "what an entry led to is on its way; about its commands"),
            CrashPoint::Asking => ("asking", "a resource is about to be asked; about the question"),
            CrashPoint::Asked => {
                ("asked", "a resource has answered, the coordinator does not know; about the question")
            }
            CrashPoint::Flushing => ("flushing", "the store is about to be flushed"),
            CrashPoint::Flushed => ("flushed", "the store is durable, the log does not know"),
            CrashPoint::Marked => ("marked", "the flush mark is durable, what lies below it is gone from the log"),
            CrashPoint::ClientBegun => ("client-begun", "client: the transaction has begun, nothing is done in it"),
            CrashPoint::ClientWorked => ("client-worked", "client: the work is done, the commit begins"),
            CrashPoint::ClientPrepared => {
                ("client-prepared", "client: every branch is ready, the coordinator is not asked to commit yet")
            }
            CrashPoint::ClientGo => ("client-go", "client: the last resource may commit, and has not been told to"),
            CrashPoint::ClientDecided => {
                ("client-decided", "client: the last resource has answered, the coordinator does not know")
            }
            CrashPoint::ClientEnded => {
                ("client-ended", "client: the outcome is known, the application does not know it")
            }
        }
    }
}
