//! The same log over a directory of the operating system.

use bytes::Bytes;
use handfast_log::disk::{Cause, Disk, DiskFile, Operation, RealDisk};
use handfast_log::{Log, LogOptions, OpenError, Record};

use crate::model::Model;
use crate::workload::SMALL;

#[test]
fn a_log_is_found_again_after_every_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let open = |options| Log::open(RealDisk::open(&path).unwrap(), options).unwrap();
    let mut model = Model::default();
    for round in 0..6 {
        let mut log = open(LogOptions { segment_bytes: 4096 << (round % 3), ..SMALL });
        assert_eq!(Model::of(&log), model);
        for _ in 0..30 {
            let index = log.last_index() + 1;
            let mut records = vec![Record::Entry { index, payload: Bytes::from(vec![index as u8; 300]) }];
            if index.is_multiple_of(7) {
                records.push(Record::Purge { index: index - 5, payload: Bytes::from_static(b"purged") });
                records.push(Record::State { payload: Bytes::from(index.to_string()) });
            }
            log.append(&records).unwrap();
            log.sync().unwrap();
        }
        model = Model::of(&log);
    }
    assert_eq!(model.last_index, 180);
    assert_eq!(model.state, Some(Bytes::from_static(b"175")));
}

#[test]
fn a_flip_in_a_real_file_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log::open(RealDisk::open(directory.path()).unwrap(), SMALL).unwrap();
    log.append(&[Record::Entry { index: 1, payload: Bytes::from_static(b"precious") }]).unwrap();
    let end = log.sync().unwrap().offset;
    log.mark_synced().unwrap();
    drop(log);
    let disk = RealDisk::open(directory.path()).unwrap();
    let file = disk.open("0000000000000001.log").unwrap();
    file.write_at(end - 8, b"q").unwrap();
    let refused = Log::open(disk, SMALL).unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt { offset, .. } if offset == end - 32), "{refused}");
}

#[test]
fn a_real_disk_says_what_the_trait_says() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(&directory.path().join("made")).unwrap();
    let file = disk.create("b").unwrap();
    let refused = disk.create("b").unwrap_err();
    assert_eq!(
        (refused.operation, refused.cause, refused.file.as_str()),
        (Operation::Create, Cause::AlreadyExists, "b")
    );
    assert_eq!(disk.open("a").unwrap_err().cause, Cause::NotFound);
    file.allocate(10_000).unwrap();
    assert_eq!(file.length().unwrap(), 10_000);
    let mut bytes = [1; 10];
    file.read_at(9_990, &mut bytes).unwrap();
    assert_eq!(bytes, [0; 10]);
    assert_eq!(file.read_at(9_995, &mut bytes).unwrap_err().cause, Cause::UnexpectedEnd);
    file.write_at(5, b"hello").unwrap();
    file.sync_data().unwrap();
    disk.rename("b", "a").unwrap();
    disk.sync_directory().unwrap();
    assert_eq!(disk.list().unwrap(), ["a"]);
    disk.remove("a").unwrap();
    file.read_at(5, &mut bytes[..5]).unwrap();
    assert_eq!(&bytes[..5], b"hello", "who has a file open can still read it");
}
