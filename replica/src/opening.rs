//! What must fit together before anything starts: the store's position and the log.
//!
//! Nothing is repaired here. Each of these cases means that a directory was lost, replaced or put
//! back from another time, and going on would either lose what the other half knows or apply one
//! history on top of another.

use handfast_log::LogWriter;

use crate::error::StartError;
use crate::raft::{LogId, entry_from_log, log_index};

/// The log has to begin at or below the store's position (P29), and to reach it: the store only ever
/// applied what the log had durably.
pub(crate) fn check_store_belongs_to_log(log: &LogWriter, stored: Option<LogId>) -> Result<(), StartError> {
    let position = stored.map_or(0, |log_id| log_index(log_id.index));
    let purged = log.first_index() - 1;
    if position < purged {
        return Err(StartError::StoreBehindLog { position, purged });
    }
    let last = log.last_index();
    if position > last {
        return Err(StartError::LogBehindStore { position, last });
    }
    match stored {
        Some(stored) if position > purged => check_same_entry(log, stored),
        _ => Ok(()),
    }
}

/// The entry at the store's position is still in the log: it must be the one that was applied.
fn check_same_entry(log: &LogWriter, stored: LogId) -> Result<(), StartError> {
    let index = log_index(stored.index);
    let read = log.read(index..index + 1, 0);
    let read = read.map_err(StartError::Log)?;
    let Some((_, bytes)) = read.first() else {
        return Err(StartError::LogBehindStore { position: index, last: log.last_index() });
    };
    let entry = entry_from_log(index, bytes).map_err(StartError::LogRecord)?;
    if entry.log_id != stored {
        return Err(StartError::Diverged {
            index,
            store_term: stored.leader_id.term,
            log_term: entry.log_id.leader_id.term,
        });
    }
    Ok(())
}
