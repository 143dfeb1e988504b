//! What a writer in a process of its own does, step by step: it reports each step to the test that started it, which knows the
//! same steps and so what must be found when the process or its disk is gone.

use std::path::{Path, PathBuf};

use handfast_log::disk::RealDisk;
use handfast_log::{Log, LogError, LogOptions, OpenError, Record};

use crate::model::{History, Model};
use crate::workload::Workload;

/// Set in the writer's process: the log's directory.
pub const DIRECTORY: &str = "HANDFAST_TEST_LOG_DIRECTORY";

#[derive(Debug)]
pub struct Step {
    pub records: Vec<Record>,
    pub is_synced: bool,
    pub is_marked: bool,
}

/// The steps of this seed, which go on from there.
pub fn script(seed: u64, from: &Model, steps: usize) -> Vec<Step> {
    let mut workload = Workload::numbered(seed);
    let mut at = from.clone();
    let mut script = Vec::new();
    for _ in 0..steps {
        let records = workload.records(&at);
        records.iter().for_each(|record| at.apply(record));
        let (is_synced, is_marked) = (workload.generator.below(2) == 0, workload.generator.below(16) == 0);
        script.push(Step { records, is_synced, is_marked });
    }
    script
}

/// The directory of the process's log.
pub fn directory() -> PathBuf {
    PathBuf::from(std::env::var_os(DIRECTORY).unwrap())
}

pub fn open(directory: &Path, options: LogOptions) -> Result<Log<RealDisk>, OpenError> {
    Log::open(RealDisk::open(directory)?, options)
}

/// Carries the steps out, the first of which has this number, and reports. A log that its disk failed must take nothing more.
pub fn carry_out(log: &mut Log<RealDisk>, script: &[Step], first: usize) -> Result<(), LogError> {
    for (number, step) in (first..).zip(script) {
        let carried = carry_out_one(log, step, number);
        if let Err(LogError::Disk(cause)) = &carried {
            let poisoned = Err(LogError::Poisoned { cause: cause.clone() });
            assert_eq!(
                [log.append(&[]), log.sync(), log.mark_synced()],
                [poisoned.clone(), poisoned.clone(), poisoned]
            );
        }
        carried?;
    }
    Ok(())
}

fn carry_out_one(log: &mut Log<RealDisk>, step: &Step, number: usize) -> Result<(), LogError> {
    println!("appending {number}");
    log.append(&step.records)?;
    println!("appended {number}");
    if step.is_synced {
        log.sync()?;
        println!("synced {number}");
    }
    if step.is_marked {
        log.mark_synced()?;
        println!("synced {number}");
    }
    Ok(())
}

/// What the log of a writer with these reports went through.
pub fn history(from: Model, script: &[Step], reports: impl IntoIterator<Item = String>) -> History {
    let mut history = History::starting_at(from);
    for report in reports {
        let Some((what, number)) = report.split_once(' ') else { continue };
        match (what, number.parse::<usize>()) {
            ("appending", Ok(number)) => history.tried(&script[number].records),
            ("appended", Ok(_)) => history.answered(),
            ("synced", Ok(_)) => history.synced(),
            // The test harness prints too.
            _ => {}
        }
    }
    history
}
