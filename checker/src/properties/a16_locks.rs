//! A16: when all is well again nothing is locked: no message is held, no branch holds anything. Not checked: the databases' own
//! locks.

use super::Verdict;
use crate::account::Account;
use crate::history::Finding;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for found in &account.findings {
        match found.what {
            Finding::Queue { queue, held, .. } => {
                verdict.judge(*held == 0, || format!("{held} messages of {queue} are still locked or in doubt"));
            }
            Finding::Branches { holding, .. } => {
                let process = found.process;
                verdict.judge(holding.is_empty(), || format!("still holding at {process}: {}", holding.join(", ")));
            }
            _ => {}
        }
    }
}
