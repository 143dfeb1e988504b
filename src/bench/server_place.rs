//! Where a server is on this machine: its data directory and its process.
//!
//! A server tells both to whoever speaks to it from this machine, and a tunnel makes a far client seem near. So its word is
//! taken only where the directory carries the server's id, and the process is of our own program.

use std::fs;
use std::path::PathBuf;

use handfast_client::ServerView;

use crate::server::Identity;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerPlace {
    /// `None` where it is not on this machine, or not ours to read.
    pub data_directory: Option<PathBuf>,
    process_id: Option<u32>,
}

impl ServerPlace {
    pub fn of(server: &ServerView) -> ServerPlace {
        let data_directory = server.data_directory.clone().filter(|directory| {
            let identity = fs::read_to_string(directory.join("identity")).ok();
            let identity = identity.and_then(|text| text.parse::<Identity>().ok());
            identity.is_some_and(|identity| identity.manager_id == server.manager_id)
        });
        let own = status("self").and_then(|status| field(&status, "Name:").map(str::to_owned));
        let process_id = server.process_id.filter(|id| {
            let name = status(&id.to_string()).and_then(|status| field(&status, "Name:").map(str::to_owned));
            data_directory.is_some() && name.is_some() && name == own
        });
        ServerPlace { data_directory, process_id }
    }

    /// The most memory that its process has had since it was started, in bytes.
    pub fn memory_peak(&self) -> Option<u64> {
        peak(&status(&self.process_id?.to_string())?)
    }
}

/// What the kernel tells of a process; nothing where there is no such file system.
fn status(process: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{process}/status")).ok()
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn peak(status: &str) -> Option<u64> {
    let kibibytes: u64 = field(status, "VmHWM:")?.strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_peak_is_read_from_what_the_kernel_tells() {
        let status = "Name:\thandfast\nVmPeak:\t  900000 kB\nVmHWM:\t   12345 kB\nVmRSS:\t   11111 kB\n";
        assert_eq!((field(status, "Name:"), peak(status)), (Some("handfast"), Some(12_345 * 1024)));
        assert_eq!(peak("Name:\tkthreadd\n"), None, "a thread of the kernel has none");
    }

    #[test]
    fn the_word_of_a_server_is_taken_where_its_directory_is() {
        let directory = tempfile::tempdir().unwrap();
        let identity = format!(
            "version 1\nrole queue-manager\nmanager {}\nincarnation 01\ninode 1\nborn 1\n",
            Uuid::from_u128(7).simple()
        );
        fs::write(directory.path().join("identity"), identity).unwrap();
        let view = |manager_id| ServerView {
            manager_id: Uuid::from_u128(manager_id),
            data_directory: Some(directory.path().to_owned()),
            process_id: Some(std::process::id()),
        };
        let here = ServerPlace::of(&view(7));
        assert_eq!(here.data_directory.as_deref(), Some(directory.path()));
        assert!(here.memory_peak().is_some_and(|bytes| bytes > 0));
        assert_eq!(ServerPlace::of(&view(8)), ServerPlace::default(), "another server's directory");
        let another = ServerView { process_id: Some(1), ..view(7) };
        assert_eq!(ServerPlace::of(&another).memory_peak(), None, "another program's process");
    }
}
