//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::PostgresError;

/// Debian keeps a folder for each version here and does not put its `bin` into PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    pub initdb: PathBuf,
    pub postgres: PathBuf,
    pub psql: PathBuf,
}

impl Binaries {
    /// All of them from one folder, so that their versions agree.
    pub fn find() -> Result<Binaries, PostgresError> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = env::split_paths(&path).chain(debian_folders()).collect();
        Binaries::find_in(&folders)
    }

    fn find_in(folders: &[PathBuf]) -> Result<Binaries, PostgresError> {
        let complete =
            |folder: &&PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
        let folder: &Path = folders.iter().find(complete).ok_or(PostgresError::NotInstalled { program: "postgres" })?;
        Ok(Binaries { initdb: folder.join("initdb"), postgres: folder.join("postgres"), psql: folder.join("psql") })
    }
}

/// The newest version first.
fn debian_folders() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(DEBIAN) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_that_holds_all_programs_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let (half, whole) = (root.path().join("half"), root.path().join("whole"));
        for (folder, names) in [(&half, &["psql"][..]), (&whole, &["initdb", "postgres", "psql"][..])] {
            fs::create_dir(folder).unwrap();
            names.iter().for_each(|name| fs::write(folder.join(name), "").unwrap());
        }
        let found = Binaries::find_in(&[half.clone(), whole.clone()]).unwrap();
        assert_eq!(found.postgres, whole.join("postgres"));
        assert!(matches!(Binaries::find_in(&[half]), Err(PostgresError::NotInstalled { program: "postgres" })));
    }
}
