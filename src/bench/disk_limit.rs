//! What the disk allows: so many logical writers, one thread that appends whatever they have pending to a file and calls
//! fdatasync, and nothing else.
//!
//! A writer has its next record pending as soon as the last one is durable, so that each round writes a record of every one. The
//! file was written once from end to end, as a recycled segment of the log was: no round waits for new blocks. Its bytes
//! are of no pattern, so that a file system that compresses gains nothing.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::DiskLimitError;
use super::figures::Figures;
use super::limits::{LIMIT_FILE_BYTES, LIMIT_WRITE_BYTES_MAX};
use super::noise::letters;
use super::recorder::{histogram, nanos};

/// What is to be measured, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskLimit {
    /// The file is made in it, and removed.
    pub directory: PathBuf,
    pub writers: u64,
    pub record_bytes: usize,
    pub span: Duration,
}

/// Measures in a thread of its own. Dropped, the thread ends with its round and removes its file.
pub async fn measure_disk(limit: DiskLimit) -> Result<Figures, DiskLimitError> {
    let (ended, figures) = oneshot::channel();
    let stopping = Stopping(Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&stopping.0);
    let measure = move || {
        // Nobody listens any more only when the benchmark was interrupted.
        ended.send(limit.measure(&stop)).ok();
    };
    let thread = std::thread::Builder::new().name("disk limit".to_owned()).spawn(measure);
    thread.map_err(DiskLimitError::Thread)?;
    figures.await.unwrap_or(Err(DiskLimitError::Ended))
}

/// Tells the thread to stop when nobody waits for it any more.
struct Stopping(Arc<AtomicBool>);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl DiskLimit {
    fn measure(&self, stop: &AtomicBool) -> Result<Figures, DiskLimitError> {
        let round = self.record_bytes * usize::try_from(self.writers).unwrap_or(usize::MAX);
        let length = LIMIT_FILE_BYTES.max(round);
        let file = ScratchFile::create(&self.directory)?;
        let noise = letters(LIMIT_WRITE_BYTES_MAX);
        file.write(0, length, &noise)?;
        file.sync()?;

        let mut latencies = histogram();
        let mut offset = 0;
        let began = Instant::now();
        let mut round_began = began;
        while round_began - began < self.span && !stop.load(Ordering::Relaxed) {
            if offset + round > length {
                offset = 0;
            }
            file.write(offset, round, &noise)?;
            file.sync()?;
            offset += round;
            let round_ended = Instant::now();
            latencies.saturating_record(nanos(round_ended - round_began));
            round_began = round_ended;
        }
        // Every writer of a round waited as long as the round took: the quantiles of rounds are those of records.
        Ok(Figures::of(latencies.len() * self.writers, round_began - began, &latencies))
    }
}

/// A file that is removed when it is dropped.
struct ScratchFile {
    file: File,
    path: PathBuf,
}

impl ScratchFile {
    fn create(directory: &Path) -> Result<ScratchFile, DiskLimitError> {
        let path = directory.join(format!("bench-limit-{}", std::process::id()));
        let opened = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        match opened {
            Ok(file) => Ok(ScratchFile { file, path }),
            Err(cause) => Err(DiskLimitError::Create { path, cause }),
        }
    }

    /// `length` bytes at `offset`.
    fn write(&self, offset: usize, length: usize, noise: &[u8]) -> Result<(), DiskLimitError> {
        let mut written = 0;
        while written < length {
            let step = (length - written).min(noise.len());
            self.file.write_all_at(&noise[..step], (offset + written) as u64).map_err(|cause| self.failed(cause))?;
            written += step;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskLimitError> {
        self.file.sync_data().map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: std::io::Error) -> DiskLimitError {
        DiskLimitError::Write { path: self.path.clone(), cause }
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        // A directory that is gone took it along.
        fs::remove_file(&self.path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_writer_has_a_record_in_every_round() {
        let directory = tempfile::tempdir().unwrap();
        let limit = |writers| DiskLimit {
            directory: directory.path().to_owned(),
            writers,
            record_bytes: 100,
            span: Duration::from_millis(100),
        };
        let one = measure_disk(limit(1)).await.unwrap();
        let many = measure_disk(limit(1000)).await.unwrap();
        assert!(one.rate > 0.0 && one.p50_us > 0.0 && one.p50_us <= one.p99_us, "{one:?}");
        // The rounds of a thousand are not a hundred times as long as those of one.
        assert!(many.rate > one.rate * 10.0, "{one:?} {many:?}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "the file is removed");
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_written_is_named() {
        let limit =
            DiskLimit { directory: "/proc/nowhere".into(), writers: 1, record_bytes: 1, span: Duration::from_secs(1) };
        let error = measure_disk(limit).await.unwrap_err();
        let expected = format!("the disk's limit cannot be measured: /proc/nowhere/bench-limit-{}", std::process::id());
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
