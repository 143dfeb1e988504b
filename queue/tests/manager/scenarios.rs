//! Runs `tests/scenarios/*.txt`: commands, `----`, what they gave, a blank line. `UPDATE=1` writes what they give now.

use std::path::Path;

use crate::script::Script;

/// The same text with each block's trace as it is now.
fn replay(text: &str) -> String {
    let mut script = Script::new();
    let mut replayed = String::new();
    for block in text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        let commands = block.split("----").next().expect("a split has a first part").trim_end();
        let mut trace = Vec::new();
        for line in commands.lines().filter(|line| !line.starts_with('#')) {
            script.run(line, &mut trace);
        }
        replayed.push_str(commands);
        if !commands.lines().all(|line| line.starts_with('#')) {
            replayed.push_str("\n----\n");
            replayed.push_str(&trace.join("\n"));
        }
        replayed.push_str("\n\n");
    }
    replayed.trim_end().to_owned() + "\n"
}

#[test]
fn every_scenario_gives_its_trace() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are scenarios");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let replayed = replay(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, replayed).unwrap();
            continue;
        }
        let first = text.lines().zip(replayed.lines()).enumerate().find(|(_, (old, new))| old != new);
        assert_eq!(text, replayed, "{}: first difference {first:?}", file.display());
    }
}
