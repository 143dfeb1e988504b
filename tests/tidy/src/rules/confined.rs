//! Some foreign crates are named in one room only, so that they can be replaced there.

use std::collections::BTreeMap;

use crate::source::Source;
use crate::{Finding, Repository};

pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Each crate and the room of it that names bincode.
    let mut codecs: BTreeMap<String, String> = BTreeMap::new();
    for source in repository.sources() {
        for word in source.words() {
            let wrong = match word.text {
                "rocksdb" if !may_name_rocksdb(source.path) => "rocksdb is named in src/store only".to_owned(),
                "openraft" if !source.path.starts_with("replica/") => "openraft is named in replica only".to_owned(),
                "bincode" => match bincode_in(&source, &mut codecs) {
                    Some(wrong) => wrong,
                    None => continue,
                },
                _ => continue,
            };
            findings.push(Finding::new(source.path, word.line, wrong));
        }
    }
    findings
}

fn may_name_rocksdb(path: &str) -> bool {
    let rooms = ["src/store/", "src/store.rs", ".ci/rocksdb/", "tests/fault_env/"];
    rooms.iter().any(|room| path.starts_with(room)) || (path.starts_with("tests/store_") && path.ends_with(".rs"))
}

/// bincode is unmaintained: one `codec.rs` or `codec/` of each crate names it.
fn bincode_in(source: &Source<'_>, codecs: &mut BTreeMap<String, String>) -> Option<String> {
    let (crate_path, inside) = source.path.rsplit_once("src/").unwrap_or(("", source.path));
    let room = match inside.find("codec/") {
        Some(at) => &inside[..at + "codec".len()],
        None => inside.strip_suffix(".rs").unwrap_or(inside),
    };
    if room != "codec" && !room.ends_with("/codec") {
        return Some("bincode is named in the crate's codec.rs only".to_owned());
    }
    let first = codecs.entry(crate_path.to_owned()).or_insert_with(|| room.to_owned());
    (first != room).then(|| format!("the crate has a codec already, in {first}: bincode is named in one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        check(&Repository::of(files)).into_iter().map(|finding| (finding.path, finding.line)).collect()
    }

    #[test]
    fn rocksdb_and_openraft_outside_their_rooms_are_found() {
        let found = places(&[
            ("src/store/rocks_store.rs", "use rocksdb::DB;"),
            ("tests/store_damage.rs", "rocksdb::DB::open"),
            ("replica/src/raft.rs", "use openraft::Raft;"),
            ("queue/src/lib.rs", "// like rocksdb\n\nuse rocksdb::DB; use openraft::Raft;"),
        ]);
        assert_eq!(found, [("queue/src/lib.rs".to_owned(), 3), ("queue/src/lib.rs".to_owned(), 3)]);
    }

    #[test]
    fn bincode_outside_one_codec_of_a_crate_is_found() {
        let found = places(&[
            ("machine/src/codec.rs", "use bincode::serde;"),
            ("machine/src/lib.rs", "use bincode::serde;"),
            ("queue/src/state/codec.rs", "use bincode::serde;"),
            ("queue/src/state/codec/message.rs", "use bincode::serde;"),
            ("queue/src/xcodec.rs", "use bincode::serde;"),
            ("queue/src/z/codec.rs", "use bincode::serde;"),
        ]);
        let paths: Vec<_> = found.into_iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["machine/src/lib.rs", "queue/src/xcodec.rs", "queue/src/z/codec.rs"]);
    }
}
