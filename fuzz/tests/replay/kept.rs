//! The kept inputs: those that `seeds` makes by the code that writes such things in earnest, and those that fuzzing found.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use handfast_fuzz::TARGETS;

use crate::seeds;

/// All files together: they are in every checkout, and are run by every `cargo test`.
const BYTES_MAX: usize = 100_000;

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "corpus", target].iter().collect()
}

/// The names and the bytes of what is kept for a target, by name.
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path());
    let named = files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
    named.collect::<BTreeMap<_, _>>().into_iter().collect()
}

/// `UPDATE=1` writes the seeds down anew. A change of a stored form shows here, as it does in the fixtures of its crate.
#[test]
fn seeds_are_kept() {
    let update = std::env::var_os("UPDATE").is_some();
    for (target, name, bytes) in seeds::all() {
        let path = folder(target).join(format!("seed_{name}"));
        if update {
            fs::create_dir_all(folder(target)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; UPDATE=1 writes it", path.display()));
        assert!(kept == bytes, "{} is not what is written today; UPDATE=1 writes it", path.display());
    }
}

#[test]
fn what_is_kept_is_small() {
    let bytes = |target: &str| corpus(target).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    let all: usize = TARGETS.iter().map(|target| bytes(target.name)).sum();
    assert!(all < BYTES_MAX, "{all} bytes are kept, of at most {BYTES_MAX}: leave out what reaches nothing new");
}
