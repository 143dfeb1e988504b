//! What a message costs of instructions, path by path, as valgrind counts them: the same on a busy machine as on a quiet one.
//!
//! `instructions.toml` has what they cost when somebody last looked. More than a tenth beyond it is a failure; more than a tenth
//! less is one too, so that what was won is not lost again unseen. `UPDATE=1` writes the file anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::{Path as File, PathBuf};
use std::process::Command;

use handfast_benches::Path;

/// Compilers, libraries and processors differ by so much.
const TOLERANCE: f64 = 0.10;

/// The difference of two runs, which have the same prepared, leaves the preparation out.
const FEW: u64 = 128;
const MANY: u64 = 640;

fn kept() -> PathBuf {
    File::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

fn instructions(path: Path, messages: u64) -> u64 {
    let out = tempfile::tempdir().unwrap();
    let out = format!("--callgrind-out-file={}", out.path().join("out").display());
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", &out, env!("CARGO_BIN_EXE_hot-paths"), path.name()])
        .args([messages.to_string(), MANY.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success(), "{path:?}: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).unwrap_or_else(|| panic!("{said}"));
    collected.1.trim().parse().unwrap()
}

#[test]
fn no_path_costs_more_than_it_did() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    let counted: BTreeMap<String, u64> = Path::ALL
        .into_iter()
        .map(|path| {
            let a_message = (instructions(path, MANY) - instructions(path, FEW)) / (MANY - FEW);
            println!("{:10} {a_message:>7} instructions a message", path.name());
            (path.name().to_owned(), a_message)
        })
        .collect();
    if std::env::var_os("UPDATE").is_some() {
        let head =
            "# Instructions a message, path by path; UPDATE=1 cargo test -p handfast-benches writes them anew.\n";
        std::fs::write(kept(), format!("{head}{}", toml::to_string(&counted).unwrap())).unwrap();
        return;
    }
    let before: BTreeMap<String, u64> = toml::from_str(&std::fs::read_to_string(kept()).unwrap()).unwrap();
    assert_eq!(counted.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    let differ = |name: &&String| (counted[*name] as f64 / before[*name] as f64 - 1.0).abs() > TOLERANCE;
    let different: Vec<String> = counted
        .keys()
        .filter(differ)
        .map(|name| format!("{name}: {} before, {} now", before[name], counted[name]))
        .collect();
    assert_eq!(different, Vec::<String>::new(), "find out why, and if it is right: UPDATE=1");
}
