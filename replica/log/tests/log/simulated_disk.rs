//! The simulated disk itself: a harness that loses nothing proves nothing.

use handfast_log::disk::{Cause, Crash, Disk, DiskFile, Fault, SimulatedDisk, Survival};

const BYTES: usize = 2048;

fn contents(disk: &SimulatedDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(name).ok()?;
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    Some(bytes)
}

/// One durable file of zeros, over which two writes are pending.
fn with_two_writes() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let file = disk.create("f").unwrap();
    file.allocate(BYTES as u64).unwrap();
    file.sync_data().unwrap();
    disk.sync_directory().unwrap();
    file.write_at(0, &[1; 1024]).unwrap();
    file.write_at(1000, &[2; 1000]).unwrap();
    disk
}

fn expected(parts: &[(usize, usize, u8)]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; BYTES];
    for (from, to, value) in parts {
        bytes[*from..*to].fill(*value);
    }
    Some(bytes)
}

#[test]
fn each_survival_keeps_what_it_says() {
    let cases = [
        (Crash::ProcessKill, expected(&[(0, 1000, 1), (1000, 2000, 2)])),
        (Crash::PowerLoss(Survival::Nothing), expected(&[])),
        (Crash::PowerLoss(Survival::Everything), expected(&[(0, 1000, 1), (1000, 2000, 2)])),
        (Crash::PowerLoss(Survival::Prefix { changes: 1 }), expected(&[(0, 1024, 1)])),
        (
            Crash::PowerLoss(Survival::Torn { changes: 1, bytes: 10 }),
            expected(&[(0, 1000, 1), (1000, 1010, 2), (1010, 1024, 1)]),
        ),
    ];
    for (crash, expected) in cases {
        let mut disk = with_two_writes();
        disk.crash(crash);
        assert_eq!(contents(&disk, "f"), expected, "{crash:?}");
    }
}

#[test]
fn a_kill_makes_nothing_more_durable() {
    let mut disk = with_two_writes();
    disk.crash(Crash::ProcessKill);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(contents(&disk, "f"), expected(&[]));
}

#[test]
fn sectors_survive_by_their_own_coins_and_equally_for_equal_seeds() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let outcome = || {
            let mut disk = with_two_writes();
            disk.crash(Crash::PowerLoss(Survival::Sectors { seed }));
            contents(&disk, "f").unwrap()
        };
        let bytes = outcome();
        assert_eq!(bytes, outcome());
        // Sector by sector each byte is one that was written there at some time.
        assert!(bytes[..512].iter().all(|byte| *byte == bytes[0] && *byte <= 1));
        assert!(bytes[1024..1536].iter().all(|byte| *byte == bytes[1024]));
        seen.insert(bytes);
    }
    assert!(seen.len() > 8, "the coins must fall in many ways: {}", seen.len());
}

#[test]
fn names_are_durable_after_a_sync_of_the_directory_only() {
    let mut disk = SimulatedDisk::new();
    disk.create("kept").unwrap().sync_data().unwrap();
    disk.sync_directory().unwrap();
    disk.rename("kept", "renamed").unwrap();
    disk.create("new").unwrap().sync_data().unwrap();
    assert_eq!(disk.list().unwrap(), ["new", "renamed"]);
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(disk.list().unwrap(), ["kept"]);
    disk.remove("kept").unwrap();
    disk.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(disk.list().unwrap(), ["kept"]);
}

#[test]
fn handles_of_a_crashed_machine_are_refused() {
    let mut disk = with_two_writes();
    let clone = disk.clone();
    let file = disk.open("f").unwrap();
    disk.crash(Crash::ProcessKill);
    assert_eq!(file.write_at(0, &[1]).unwrap_err().cause, Cause::Crashed);
    assert_eq!(clone.list().unwrap_err().cause, Cause::Crashed);
    assert!(disk.list().is_ok());
}

#[test]
fn a_failed_sync_loses_what_it_should_have_kept_and_the_next_one_lies() {
    let mut disk = with_two_writes();
    let file = disk.open("f").unwrap();
    disk.plan(Fault::SyncError { nth: 0 });
    assert_eq!(file.sync_data().unwrap_err().cause, Cause::System(5));
    assert_eq!(contents(&disk, "f"), expected(&[(0, 1000, 1), (1000, 2000, 2)]));
    file.sync_data().unwrap();
    disk.crash(Crash::PowerLoss(Survival::Everything));
    assert_eq!(contents(&disk, "f"), expected(&[]));
}

#[test]
fn planned_faults_strike_once_and_at_their_turn() {
    let disk = with_two_writes();
    let file = disk.open("f").unwrap();
    disk.plan(Fault::WriteError { nth: 1 });
    disk.plan(Fault::ShortWrite { nth: 2, bytes: 3 });
    disk.plan(Fault::ReadError { nth: 0 });
    assert!(file.read_at(0, &mut [0]).is_err());
    let write = |byte| file.write_at(0, &[byte; 8]).is_ok();
    assert_eq!([write(3), write(4), write(5), write(6)], [true, false, false, true]);
    disk.plan(Fault::ShortWrite { nth: 0, bytes: 3 });
    assert!(!write(7));
    assert_eq!(contents(&disk, "f").unwrap()[..8], [7, 7, 7, 6, 6, 6, 6, 6]);
}

#[test]
fn a_halted_machine_does_nothing_until_it_crashes() {
    let mut disk = with_two_writes();
    let file = disk.open("f").unwrap();
    disk.plan(Fault::Halt { after: 1 });
    file.write_at(0, &[9]).unwrap();
    let refused =
        [file.write_at(0, &[9]), file.sync_data(), disk.sync_directory(), disk.list().map(|_| ()), disk.remove("f")];
    assert!(
        refused.iter().all(|answer| answer.as_ref().is_err_and(|error| error.cause == Cause::Crashed)),
        "{refused:?}"
    );
    disk.crash(Crash::ProcessKill);
    assert_eq!(contents(&disk, "f").unwrap()[0], 9);
}

#[test]
fn a_full_disk_refuses_to_grow() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(1000));
    let file = disk.create("f").unwrap();
    assert_eq!(file.allocate(1001).unwrap_err().cause, Cause::NoSpace);
    file.allocate(1000).unwrap();
    file.write_at(0, &[1; 1000]).unwrap();
    assert_eq!(file.write_at(1000, &[1]).unwrap_err().cause, Cause::NoSpace);
    disk.remove("f").unwrap();
    disk.create("g").unwrap().allocate(1000).unwrap();
}

#[test]
fn a_fork_is_a_disk_of_its_own() {
    let disk = with_two_writes();
    let mut fork = disk.fork();
    fork.crash(Crash::PowerLoss(Survival::Nothing));
    assert_eq!(contents(&fork, "f"), expected(&[]));
    assert_eq!(contents(&disk, "f"), expected(&[(0, 1000, 1), (1000, 2000, 2)]));
}
