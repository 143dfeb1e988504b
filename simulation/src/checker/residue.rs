//! A13, A16: when all is well again nothing is left in doubt, prepared or locked, and the states' own invariants hold. Not
//! checked: marker rows, which are cleared much later (P14).

use crate::history::History;
use crate::world::Audit;

pub fn check(_: &History, audit: &Audit, found: &mut Vec<String>) {
    if audit.held > 0 {
        found.push(format!("{} messages are still locked or in doubt", audit.held));
    }
    found.extend(audit.open_transactions.iter().map(|open| format!("transaction {open}")));
    found.extend(audit.prepared.iter().map(|branch| format!("branch {branch} is still prepared")));
    found.extend(audit.broken.iter().cloned());
}
