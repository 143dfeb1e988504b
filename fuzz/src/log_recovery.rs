//! Any bytes as the files of a log. It opens or is refused, the same each time; what it gives was written there; what it gave
//! once is there after a crash.
//!
//! What it does not check: that a log which was written in earnest gives all that was durable. The log's own tests and the
//! simulation do.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use handfast_log::disk::{Crash, Disk, DiskFile, SimulatedDisk, Survival};
use handfast_log::limits::SEGMENT_BYTES_MIN;
use handfast_log::{Log, LogOptions, OpenError, Record};

use crate::draws::Draws;
use crate::log_format::{ENTRY, PURGE, STATE, Segment, Written};

/// Files of one input are numbered from 1 to this: enough for a chain with a gap in it.
const SEQUENCES: usize = 4;

/// The checksums are made to hold, so that mutations come further than to them.
pub const REPAIRED: u8 = 1;
/// Nothing is cached, so that every entry is read from a file.
pub const UNCACHED: u8 = 2;

/// Flags; then for each file its number, its length in two bytes, and its bytes, behind which it is zeros.
pub fn check(bytes: &[u8]) {
    let mut draws = Draws::new(bytes);
    let flags = draws.byte();
    let mut files: BTreeMap<usize, Segment> = BTreeMap::new();
    while !draws.is_empty() {
        let sequence = 1 + draws.below(SEQUENCES);
        let length = usize::from(draws.u16());
        let mut bytes = draws.bytes(length).to_vec();
        bytes.resize(bytes.len().max(SEGMENT_BYTES_MIN as usize), 0);
        let mut segment = Segment(bytes);
        if flags & REPAIRED != 0 {
            segment.repair();
        }
        files.insert(sequence, segment);
    }
    let cache_bytes = if flags & UNCACHED != 0 { 0 } else { 1024 };
    let options = LogOptions { segment_bytes: SEGMENT_BYTES_MIN, cache_bytes, salt: 0 };
    recover(&disk_of(&files), &files, options);
}

/// What [`check`] reads, of the files of a disk: each without the zeros at its end.
pub fn input_of(disk: &SimulatedDisk, flags: u8) -> Vec<u8> {
    let mut input = vec![flags];
    for name in disk.list().expect("the disk is well") {
        let Some(digits) = name.strip_suffix(".log") else { continue };
        let sequence = u8::from_str_radix(digits, 16).expect("the log has few segments");
        let file = disk.open(&name).expect("it is in the list");
        let mut bytes = vec![0; file.length().expect("the disk is well") as usize];
        file.read_at(0, &mut bytes).expect("the file is so long");
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        input.push(sequence - 1);
        input.extend_from_slice(&u16::try_from(end).expect("segments are small").to_le_bytes());
        input.extend_from_slice(&bytes[..end]);
    }
    input
}

fn file_name(sequence: usize) -> String {
    format!("{sequence:016x}.log")
}

fn disk_of(files: &BTreeMap<usize, Segment>) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    for (sequence, Segment(bytes)) in files {
        let file = disk.create(&file_name(*sequence)).expect("each file is made once");
        file.write_at(0, bytes).and_then(|()| file.sync_data()).expect("nothing is planned to fail");
    }
    disk.sync_directory().expect("nothing is planned to fail");
    disk
}

fn recover(disk: &SimulatedDisk, files: &BTreeMap<usize, Segment>, options: LogOptions) {
    let opened = Log::open(disk.clone(), options);
    let log = match opened {
        Ok(log) => log,
        Err(refused) => return check_refused(disk, files, options, &refused),
    };
    let contents = Contents::of(&log);
    contents.check_written(files);

    // Killed and started again it is the same, and so it is when all that was not synced is lost.
    let mut lost = disk.fork();
    drop(log);
    let log = Log::open(disk.clone(), LogOptions { salt: 1, ..options }).expect("what opened once opens again");
    assert_eq!(Contents::of(&log), contents, "another start gives something else");
    lost.crash(Crash::PowerLoss(Survival::Nothing));
    let mut log = Log::open(lost.clone(), LogOptions { salt: 2, ..options }).expect("what was told was durable");
    assert_eq!(Contents::of(&log), contents, "a start told what was not durable");

    // It goes on.
    let index = log.last_index() + 1;
    let record = Record::Entry { index, payload: Bytes::from_static(b"the next one") };
    if index < u64::MAX {
        log.append(std::slice::from_ref(&record)).and_then(|_| log.sync()).expect("it follows, and there is room");
        let mut more = contents;
        more.entries.insert(index, Bytes::from_static(b"the next one"));
        lost.crash(Crash::PowerLoss(Survival::Nothing));
        let log = Log::open(lost, LogOptions { salt: 3, ..options }).expect("what was synced is there");
        assert_eq!(Contents::of(&log), more, "what was synced is not there");
    }
}

/// It stays refused, and the segments are as they were: somebody may still want to read them.
fn check_refused(disk: &SimulatedDisk, files: &BTreeMap<usize, Segment>, options: LogOptions, refused: &OpenError) {
    assert!(!matches!(refused, OpenError::Disk(_)), "the disk is well: {refused}");
    let again = Log::open(disk.clone(), options).err();
    assert_eq!(again.as_ref(), Some(refused), "the second start is told something else");
    for (sequence, Segment(bytes)) in files {
        let file = disk.open(&file_name(*sequence)).expect("a refused start removes no segment");
        let mut found = vec![0; bytes.len()];
        file.read_at(0, &mut found).expect("a refused start leaves a segment as it is");
        assert!(found == *bytes, "a refused start changed segment {sequence}");
    }
}

/// All that a log gives.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    first_index: u64,
    entries: BTreeMap<u64, Bytes>,
    state: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
}

impl Contents {
    fn of(log: &Log<SimulatedDisk>) -> Contents {
        let (first, last) = (log.first_index(), log.last_index());
        let read = log.read(0..u64::MAX, usize::MAX).expect("what was recovered can be read");
        let entries: BTreeMap<u64, Bytes> = read.into_iter().collect();
        assert!(entries.keys().copied().eq(first..=last), "entries are missing of {first} to {last}");
        Contents { first_index: first, entries, state: log.state(), purged: log.purged() }
    }

    /// Nothing is in it that is not in the files with a checksum that holds.
    fn check_written(&self, files: &BTreeMap<usize, Segment>) {
        let written: BTreeSet<Written> = files.values().flat_map(Segment::written).collect();
        let entries = self.entries.iter().map(|(index, payload)| (ENTRY, *index, payload.to_vec()));
        let state = self.state.iter().map(|payload| (STATE, 0, payload.to_vec()));
        let purged = self.purged.iter().map(|(index, payload)| (PURGE, *index, payload.to_vec()));
        for record in entries.chain(state).chain(purged) {
            assert!(written.contains(&record), "{record:?} was written nowhere");
        }
    }
}
