//! The text files that the rules are about.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use crate::source::Source;

/// Folders that are nobody's text.
const SKIPPED: [&str; 3] = [".git", "target", "corpus"];
const EXTENSIONS: [&str; 4] = ["rs", "toml", "md", "sh"];

/// Paths, relative to the root and with `/`, and their text.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    files: BTreeMap<String, String>,
}

impl Repository {
    pub fn read(root: &Path) -> io::Result<Repository> {
        let mut repository = Repository::default();
        repository.read_folder(root, "")?;
        Ok(repository)
    }

    /// A repository that is not on disk: an example for a rule.
    pub fn of(files: &[(&str, &str)]) -> Repository {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Repository { files: files.iter().map(own).collect() }
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// All files whose name ends in `suffix`.
    pub fn ending<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.ends_with(suffix))
    }

    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        self.ending(".rs").map(|(path, text)| Source::new(path, text))
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{prefix}{name}");
            if entry.file_type()?.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.read_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if name.rsplit_once('.').is_some_and(|(_, end)| EXTENSIONS.contains(&end)) {
                self.files.insert(path, fs::read_to_string(entry.path())?);
            }
        }
        Ok(())
    }
}
