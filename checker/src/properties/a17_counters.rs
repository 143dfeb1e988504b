//! A17: a queue's counters say what a scan of it counts; and a server's other invariants hold. Not checked: counters between
//! two scans.

use super::Verdict;
use crate::account::Account;
use crate::history::{Finding, Size};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for found in &account.findings {
        match found.what {
            Finding::Counted { queue, counted, recounted } => {
                verdict.judge(counted == recounted, || {
                    let (Size { messages, bytes }, is) = (*counted, *recounted);
                    format!(
                        "{queue} counts {messages} messages of {bytes} bytes, and has {} of {}",
                        is.messages, is.bytes
                    )
                });
            }
            Finding::Broken { what } => verdict.judge(false, || format!("at {}: {what}", found.process)),
            _ => {}
        }
    }
}
