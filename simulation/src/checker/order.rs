//! A8, G4: one exclusive reader keeps the order: shipments are in the order of the orders. Not checked: anything where several
//! clients share the queue, and the order of the rows, which commit in any order with phase two.

use crate::history::History;
use crate::world::Audit;

pub fn check(_: &History, audit: &Audit, found: &mut Vec<String>) {
    if !audit.is_ordered {
        return;
    }
    let place = |order: &String| audit.orders.iter().position(|ordered| ordered == order);
    for pair in audit.shipments.windows(2) {
        if place(&pair[0].order) > place(&pair[1].order) {
            found.push(format!("{} was shipped before {}", pair[0].order, pair[1].order));
        }
    }
}
