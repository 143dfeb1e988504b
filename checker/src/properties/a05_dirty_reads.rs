//! A5: nobody is handed a message of a transaction that rolled back, that is not yet decided, or that is the receiver's own.
//! Not checked: rows, which databases keep from each other; messages that do not name their transaction.

use super::Verdict;
use crate::account::{Account, Fate};

pub fn check(account: &Account<'_>, verdict: &mut Verdict) {
    for receive in &account.receives {
        let Some(by) = receive.message.by.as_deref() else { continue };
        let (key, deeds) = (&receive.message.key, account.transactions.get(by));
        let is_rolled_back = deeds.is_none_or(|deeds| deeds.fate() == Fate::RolledBack);
        verdict
            .judge(!is_rolled_back, || format!("{key} was handed out, and transaction {by} that sent it rolled back"));
        verdict.judge(receive.transaction != Some(by), || {
            format!("transaction {by} was handed {key}, which it had sent itself")
        });
        if let Some(decided) = deeds.and_then(|deeds| deeds.decided()) {
            verdict.judge(decided.number < receive.moment.number, || {
                format!("{key} was handed out before transaction {by} that sent it was decided")
            });
        }
    }
}
