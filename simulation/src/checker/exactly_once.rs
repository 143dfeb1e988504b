//! A7: every order is exactly once in the next queue, exactly once in the database if there is one, and no longer in its own.
//! Nothing is there that nobody ordered (A6). Not checked: which transaction did it.

use std::collections::BTreeMap;

use crate::history::History;
use crate::world::Audit;

pub fn check(_: &History, audit: &Audit, found: &mut Vec<String>) {
    compare("the next queue", &audit.orders, audit.shipments.iter().map(|shipment| &shipment.order), found);
    if audit.has_database {
        compare("the database", &audit.orders, audit.rows.iter().map(|row| &row.order), found);
    }
    for left in &audit.left_in_orders {
        found.push(format!("{} is still in its queue", left.order));
    }
}

fn compare<'a>(place: &str, orders: &[String], there: impl Iterator<Item = &'a String>, found: &mut Vec<String>) {
    let mut counts: BTreeMap<&str, i64> = orders.iter().map(|order| (order.as_str(), 0)).collect();
    for order in there {
        match counts.get_mut(order.as_str()) {
            Some(count) => *count += 1,
            None => found.push(format!("{order:?} is in {place}, and nobody ordered it")),
        }
    }
    for (order, count) in counts.into_iter().filter(|(_, count)| *count != 1) {
        found.push(format!("{order} is {count} times in {place}"));
    }
}
