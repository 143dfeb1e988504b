//! A file system on a loop device whose power can be cut: what it has not made durable is gone at the next mount.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Unavailable;
use crate::unavailable::output;

/// How long a file system may seem to be used by a process that only starts, and how often it is looked at.
const BUSY_FOR: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The file systems whose power can be cut: they end at an ioctl of their own, without their log being written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    Ext4,
    Xfs,
}

/// A mounted file system. Dropping it unmounts it and gives the device back.
#[derive(Debug)]
pub struct LoopDisk {
    device: Option<String>,
    mounted: bool,
    /// Holds the image, which is sparse, and the mount point.
    scratch: TempDir,
}

impl FileSystem {
    pub const ALL: [FileSystem; 2] = [FileSystem::Ext4, FileSystem::Xfs];

    /// The smallest that it likes to be made of.
    fn bytes(self) -> u64 {
        match self {
            FileSystem::Ext4 => 128 << 20,
            FileSystem::Xfs => 320 << 20,
        }
    }

    fn make(self) -> Command {
        match self {
            FileSystem::Ext4 => {
                let mut make = Command::new("mkfs.ext4");
                make.args(["-q", "-F"]);
                make
            }
            FileSystem::Xfs => {
                let mut make = Command::new("mkfs.xfs");
                make.args(["-q", "-f"]);
                make
            }
        }
    }
}

impl LoopDisk {
    /// A fresh file system. It takes root, a loop device and the file system's own programs.
    pub fn new(kind: FileSystem) -> Result<LoopDisk, Unavailable> {
        if !rustix::process::geteuid().is_root() {
            return Err(Unavailable("mounting takes root".to_owned()));
        }
        output(Command::new("xfs_io").arg("-V"))?;
        let failed = |error: std::io::Error| Unavailable(error.to_string());
        let scratch = tempfile::tempdir().map_err(failed)?;
        let image = scratch.path().join("image");
        File::create_new(&image).and_then(|file| file.set_len(kind.bytes())).map_err(failed)?;
        output(kind.make().arg(&image))?;
        let mut disk = LoopDisk { device: None, mounted: false, scratch };
        disk.device = Some(output(Command::new("losetup").args(["--find", "--show"]).arg(&image))?);
        fs::create_dir(disk.mount_point()).map_err(failed)?;
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn mount_point(&self) -> PathBuf {
        self.scratch.path().join("mounted")
    }

    /// The power goes: every call from here on fails, and nothing more becomes durable.
    ///
    /// A sync that the cut overtakes may still answer that it is done, of a plain file too, and then it is not: a process that
    /// is there to hear it is what no real cut leaves. What is reported from here on proves nothing.
    pub fn cut(&self) {
        output(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.mount_point()))
            .expect("a file system that is mounted can be shut down");
    }

    /// The power is back. Nobody may have a file open.
    pub fn restart(&mut self) {
        self.unmount().expect("nobody uses the file system any more");
        self.mounted = false;
        self.mount().expect("a file system mounts after a power cut");
    }

    /// A process that another test starts at this moment has what this one has open, until it is its own program.
    fn unmount(&self) -> Result<(), Unavailable> {
        let since = Instant::now();
        loop {
            match output(Command::new("umount").arg(self.mount_point())) {
                Err(_busy) if since.elapsed() < BUSY_FOR => sleep(LOOK_AGAIN),
                unmounted => return unmounted.map(drop),
            }
        }
    }

    fn mount(&mut self) -> Result<(), Unavailable> {
        let device = self.device.as_deref().expect("the device is there before it is mounted");
        output(Command::new("mount").arg(device).arg(self.mount_point()))?;
        self.mounted = true;
        Ok(())
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        let point: &Path = &self.mount_point();
        let mut left = Vec::new();
        if self.mounted {
            // Lazily: who still has a file open, because a test failed, must not keep the device.
            left.extend(output(Command::new("umount").arg("--lazy").arg(point)).err());
        }
        if let Some(device) = &self.device {
            left.extend(output(Command::new("losetup").arg("--detach").arg(device)).err());
        }
        for unavailable in left {
            crate::say(&format!("left behind: {unavailable}"));
        }
    }
}
