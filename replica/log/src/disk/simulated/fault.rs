//! What a simulated disk is told to do wrong, and how a machine can end.

/// One planned failure. `nth` counts from the moment of planning; 0 is the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The nth write changes nothing and fails with EIO.
    WriteError { nth: u64 },
    /// The nth write puts down its first `bytes` bytes and fails with EIO.
    ShortWrite { nth: u64, bytes: usize },
    /// The nth sync (of a file or of the directory) fails with EIO and forgets what it should have
    /// made durable: reads still show it, and the next sync answers that all is well, as operating
    /// systems do.
    SyncError { nth: u64 },
    /// The nth read fails with EIO.
    ReadError { nth: u64 },
    /// After that many more changes of any kind the machine stands still: everything fails with
    /// `Cause::Crashed` until `crash`.
    Halt { after: u64 },
}

/// How a machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process is killed: the page cache lives on, and is no more durable than before.
    ProcessKill,
    /// The machine loses power: only what was synced is sure.
    PowerLoss(Survival),
}

/// What of the changes that were not synced reached the disk before the power went. Changes are
/// counted over all files and the directory, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    Nothing,
    Everything,
    /// The first so many changes.
    Prefix {
        changes: usize,
    },
    /// The first so many changes, and of the next one, if it is a write, the first `bytes` bytes.
    Torn {
        changes: usize,
        bytes: usize,
    },
    /// Each 512-byte sector of each write by its own coin, whatever its order; so do lengths and
    /// names. A part of a new length that no write reached holds zeros or stale bytes.
    Sectors {
        seed: u64,
    },
}

/// The unit that a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: u64 = 512;

/// Planned faults, each counting down.
#[derive(Debug, Default, Clone)]
pub(super) struct Plan {
    faults: Vec<Fault>,
    halted: bool,
}

/// What becomes of a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WriteFate {
    Done,
    Failed,
    Short(usize),
}

impl Plan {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        *self = Plan::default();
    }

    pub(super) fn halted(&self) -> bool {
        self.halted
    }

    /// Counts one change; false once the machine stands still.
    pub(super) fn change(&mut self) -> bool {
        for fault in &mut self.faults {
            if let Fault::Halt { after } = fault {
                match after.checked_sub(1) {
                    Some(left) => *after = left,
                    None => self.halted = true,
                }
            }
        }
        !self.halted
    }

    pub(super) fn write(&mut self) -> WriteFate {
        let due = self.due(|fault| match fault {
            Fault::WriteError { nth } | Fault::ShortWrite { nth, .. } => Some(nth),
            Fault::SyncError { .. } | Fault::ReadError { .. } | Fault::Halt { .. } => None,
        });
        match due {
            Some(Fault::ShortWrite { bytes, .. }) => WriteFate::Short(bytes),
            Some(_) => WriteFate::Failed,
            None => WriteFate::Done,
        }
    }

    pub(super) fn sync_fails(&mut self) -> bool {
        let due = self.due(|fault| match fault {
            Fault::SyncError { nth } => Some(nth),
            Fault::WriteError { .. } | Fault::ShortWrite { .. } | Fault::ReadError { .. } | Fault::Halt { .. } => None,
        });
        due.is_some()
    }

    pub(super) fn read_fails(&mut self) -> bool {
        let due = self.due(|fault| match fault {
            Fault::ReadError { nth } => Some(nth),
            Fault::WriteError { .. } | Fault::ShortWrite { .. } | Fault::SyncError { .. } | Fault::Halt { .. } => None,
        });
        due.is_some()
    }

    /// Counts the faults of one kind down and takes the one whose turn it is.
    fn due(&mut self, counter: impl Fn(&mut Fault) -> Option<&mut u64>) -> Option<Fault> {
        let mut taken = None;
        for (position, fault) in self.faults.iter_mut().enumerate() {
            if let Some(nth) = counter(fault) {
                match nth.checked_sub(1) {
                    Some(left) => *nth = left,
                    None => taken = Some(position),
                }
            }
        }
        taken.map(|position| self.faults.remove(position))
    }
}
