//! What a disk does to the log of a process that has ended.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::harness::Server;

/// As much of the last write as is torn off.
const TORN_BYTES: u64 = 9;

/// The last bytes that were written never came.
pub fn tear_end(data: &Path) {
    let (segment, end) = newest_segment(data);
    let file = File::options().write(true).open(segment).unwrap();
    file.write_all_at(&[0; TORN_BYTES as usize], end - TORN_BYTES).unwrap();
}

/// It starts once, which makes durable what it found. Then a byte flips, and it must say where and not start; then the byte is as
/// it was.
pub fn flip(server: &mut Server) {
    server.start_again();
    server.kill();
    let (segment, end) = newest_segment(&server.data());
    let file = File::options().read(true).write(true).open(&segment).unwrap();
    let (at, mut byte) = (end / 3, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let said = server.start_in_vain();
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(name), "it does not name {name}: {said}");
    file.write_all_at(&byte, at).unwrap();
}

/// And where the bytes in it end: behind them the file is zeros.
fn newest_segment(data: &Path) -> (PathBuf, u64) {
    let files = fs::read_dir(data.join("log")).unwrap().map(|file| file.unwrap().path());
    let segment = files.filter(|path| path.extension().is_some_and(|found| found == "log")).max().unwrap();
    let bytes = fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (segment, end as u64)
}
