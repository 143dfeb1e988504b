//! A13: when all is well again nothing is in doubt: no branch is prepared anywhere, no coordinator has a transaction that it
//! has not ended. Not checked: marker rows, which are cleared much later (P14).

use super::Verdict;
use crate::account::Account;
use crate::history::Finding;

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for found in &account.findings {
        let process = found.process;
        match found.what {
            Finding::Branches { prepared, .. } => {
                verdict.judge(prepared.is_empty(), || format!("still prepared at {process}: {}", prepared.join(", ")));
            }
            Finding::Transactions { open, .. } => {
                verdict.judge(open.is_empty(), || format!("not ended at {process}: {}", open.join(", ")));
            }
            _ => {}
        }
    }
}
