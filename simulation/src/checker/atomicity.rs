//! A1: what a transaction did is there everywhere or nowhere: its row at the database if and only if its shipment in the queue,
//! for the same order. Not checked: that the order has left its queue, which is exactly-once's part.

use std::collections::{BTreeMap, BTreeSet};

use handfast_protocol::GlobalId;

use crate::history::History;
use crate::world::Audit;

pub fn check(_: &History, audit: &Audit, found: &mut Vec<String>) {
    let mut shipped: BTreeMap<GlobalId, Vec<&str>> = BTreeMap::new();
    for shipment in &audit.shipments {
        match shipment.id {
            Some(id) => shipped.entry(id).or_default().push(&shipment.order),
            None => found.push(format!("the shipment of {} names no transaction", shipment.order)),
        }
    }
    if !audit.has_database {
        return;
    }
    let mut rows: BTreeMap<GlobalId, Vec<&str>> = BTreeMap::new();
    for row in &audit.rows {
        rows.entry(row.id).or_default().push(&row.order);
    }
    let ids: BTreeSet<GlobalId> = shipped.keys().chain(rows.keys()).copied().collect();
    for id in ids {
        let (rows, shipped) = (rows.get(&id), shipped.get(&id));
        if rows != shipped {
            found.push(format!("transaction {id} has the rows {rows:?} and the shipments {shipped:?}"));
        }
    }
}
