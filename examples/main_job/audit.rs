//! The end as the database and the queues tell it, against what the file says.

use std::collections::BTreeMap;

use anyhow::Context;
use handfast_client::{Handfast, TransactionFilter};
use serde::Serialize;
use serde_json::Value;

use crate::cast::Kills;
use crate::decimal::Decimal;
use crate::ledger::Written;
use crate::options::{Format, LINE};
use crate::orders::Orders;

const PAGE: u32 = 1_000;

/// What was found. Each count but the first three has to be 0.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// Rows of the file.
    pub orders: usize,
    /// Rows in the database.
    pub rows: usize,
    /// Messages in the next queue.
    pub sent: usize,
    pub dead_letters: u64,
    /// Messages left in the first queue.
    pub left: u64,
    pub in_doubt: usize,
    /// Orders that the database or the next queue lacks.
    pub lost: usize,
    /// Rows and messages beyond the first of an order, or of no order at all.
    pub duplicated: usize,
    /// Rows and messages that stand behind one of a later line.
    pub out_of_order: usize,
    pub sum_column: Option<String>,
    /// Of the database.
    pub sum: String,
    /// Of the file.
    pub sum_expected: String,
    pub kills: Kills,
    pub seed: u64,
    pub seconds: f64,
    /// From the end of the work until nothing was in doubt.
    pub seconds_to_settle: f64,
    pub clean: bool,
}

/// What is compared, as it was found.
pub struct Found {
    pub rows: Vec<Written>,
    pub sent: Vec<u64>,
    pub left: u64,
    pub dead_letters: u64,
    pub in_doubt: usize,
}

/// The run that led there.
pub struct Course {
    pub kills: Kills,
    pub seed: u64,
    pub seconds: f64,
    pub seconds_to_settle: f64,
}

impl Found {
    pub async fn look(handfast: &Handfast, rows: Vec<Written>) -> anyhow::Result<Found> {
        let count = async |queue: &str| Ok::<_, anyhow::Error>(handfast.queue(queue).await?.messages);
        let in_doubt = TransactionFilter { in_doubt: true, ..TransactionFilter::default() };
        Ok(Found {
            rows,
            sent: lines_in(handfast, "shipments").await?,
            left: count("orders").await?,
            dead_letters: count("dead-letter").await?,
            in_doubt: handfast.transactions(in_doubt).await?.len(),
        })
    }
}

/// The lines of the messages of a queue, in order.
async fn lines_in(handfast: &Handfast, queue: &str) -> anyhow::Result<Vec<u64>> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let page = handfast.peek(queue, after, PAGE, u32::MAX).await?;
        let Some(last) = page.last() else { return Ok(lines) };
        after = Some(last.place);
        for message in &page {
            let body: Value = serde_json::from_slice(&handfast.peeked_body(message).await?)?;
            lines.push(body[LINE].as_u64().context("a message of the next queue has no line")?);
        }
    }
}

impl Audit {
    pub fn new(orders: &Orders, found: &Found, course: &Course) -> anyhow::Result<Audit> {
        let written: Vec<u64> = found.rows.iter().map(|(line, _)| *line).collect();
        let (in_rows, in_sent) =
            (Comparison::new(&orders.lines, &written), Comparison::new(&orders.lines, &found.sent));
        let mut sum = Decimal::default();
        for (line, value) in &found.rows {
            if let (Some(value), Some(_)) = (value, &orders.sum_column) {
                sum = sum.add(value).with_context(|| format!("the row of line {line}"))?;
            }
        }
        let Course { kills, seed, seconds, seconds_to_settle } = *course;
        let mut audit = Audit {
            orders: orders.lines.len(),
            rows: found.rows.len(),
            sent: found.sent.len(),
            dead_letters: found.dead_letters,
            left: found.left,
            in_doubt: found.in_doubt,
            lost: in_rows.lost + in_sent.lost,
            duplicated: in_rows.duplicated + in_sent.duplicated,
            out_of_order: in_rows.out_of_order + in_sent.out_of_order,
            sum_column: orders.sum_column.clone(),
            sum: sum.to_string(),
            sum_expected: orders.sum.to_string(),
            kills,
            seed,
            seconds,
            seconds_to_settle,
            clean: false,
        };
        let nothing_amiss =
            [audit.lost, audit.duplicated, audit.out_of_order, audit.in_doubt].iter().all(|count| *count == 0);
        audit.clean = nothing_amiss && audit.left == 0 && audit.dead_letters == 0 && sum == orders.sum;
        Ok(audit)
    }

    pub fn print(&self, format: Format) {
        if format == Format::Json {
            println!("{}", serde_json::to_string_pretty(self).expect("its keys are strings"));
            return;
        }
        let Kills { server, trigger, import, database } = self.kills;
        println!(
            "killed: server {server}, trigger {trigger}, import {import}, database {database} (seed {})",
            self.seed
        );
        println!("time:   {:.1} s, then {:.1} s until nothing was in doubt\n", self.seconds, self.seconds_to_settle);
        println!("orders in the file      {:>10}", self.orders);
        println!("rows in the database    {:>10}", self.rows);
        println!("messages sent on        {:>10}", self.sent);
        println!("lost                    {:>10}", self.lost);
        println!("duplicated              {:>10}", self.duplicated);
        println!("out of order            {:>10}", self.out_of_order);
        println!("left in the queue       {:>10}", self.left);
        println!("dead letters            {:>10}", self.dead_letters);
        println!("in doubt                {:>10}", self.in_doubt);
        if let Some(column) = &self.sum_column {
            println!("sum of {column}: {} in the file, {} in the database", self.sum_expected, self.sum);
        }
        println!("\n{}", if self.clean { "It adds up." } else { "IT DOES NOT ADD UP." });
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Comparison {
    lost: usize,
    duplicated: usize,
    out_of_order: usize,
}

impl Comparison {
    fn new(expected: &[u64], found: &[u64]) -> Comparison {
        let mut counts: BTreeMap<u64, usize> = expected.iter().map(|line| (*line, 0)).collect();
        let (mut duplicated, mut out_of_order, mut furthest) = (0, 0, 0);
        for line in found {
            match counts.get_mut(line) {
                Some(count) if *count == 0 => *count = 1,
                Some(_) | None => duplicated += 1,
            }
            out_of_order += usize::from(*line < furthest);
            furthest = furthest.max(*line);
        }
        let lost = counts.values().filter(|count| **count == 0).count();
        Comparison { lost, duplicated, out_of_order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_is_counted() {
        let table: [(&[u64], [usize; 3]); 6] = [
            (&[2, 3, 5], [0, 0, 0]),
            (&[2, 5], [1, 0, 0]),
            (&[2, 3, 3, 5], [0, 1, 0]),
            (&[2, 5, 3], [0, 0, 1]),
            (&[2, 3, 5, 7], [0, 1, 0]),
            (&[], [3, 0, 0]),
        ];
        for (found, [lost, duplicated, out_of_order]) in table {
            assert_eq!(Comparison::new(&[2, 3, 5], found), Comparison { lost, duplicated, out_of_order });
        }
    }
}
