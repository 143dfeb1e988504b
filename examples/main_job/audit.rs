//! The end as the database and the queues tell it, against what the file says.

use std::collections::BTreeSet;

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

/// What was found. It adds up if each order is a row and a message sent on, or a dead letter, and the other counts are 0.
#[derive(Debug, Serialize)]
pub struct Audit {
    /// Rows of the file.
    pub orders: usize,
    /// Rows in the database.
    pub rows: usize,
    /// Messages in the next queue.
    pub sent: usize,
    /// Orders that the trigger gave up, each with its reason: `handfast dead-letter list`.
    pub dead_letters: usize,
    /// Messages left in the first queue.
    pub left: u64,
    pub in_doubt: usize,
    /// Orders that the database or the next queue lacks, and that are no dead letters.
    pub lost: usize,
    /// Rows and messages beyond the first of an order, or of no order at all.
    pub duplicated: usize,
    /// Rows and messages that stand behind one of a later line.
    pub out_of_order: usize,
    pub sum_column: Option<String>,
    /// Of the database.
    pub sum: String,
    /// Of the file, without its dead letters.
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
    pub dead_letters: Vec<u64>,
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
            dead_letters: lines_in(handfast, "dead-letter").await?,
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
            lines.push(body[LINE].as_u64().with_context(|| format!("a message in {queue} has no line"))?);
        }
    }
}

impl Audit {
    pub fn new(orders: &Orders, found: &Found, course: &Course) -> anyhow::Result<Audit> {
        let written: Vec<u64> = found.rows.iter().map(|(line, _)| *line).collect();
        let compared = Comparison::new(&orders.lines, &found.dead_letters, [&written, &found.sent]);
        let sum = sum_of(found, orders)?;
        let sum_expected = sum_expected(orders, &found.dead_letters)?;
        let Course { kills, seed, seconds, seconds_to_settle } = *course;
        let Comparison { lost, duplicated, out_of_order } = compared;
        let nothing_amiss = [lost, duplicated, out_of_order, found.in_doubt].iter().all(|count| *count == 0);
        Ok(Audit {
            orders: orders.lines.len(),
            rows: found.rows.len(),
            sent: found.sent.len(),
            dead_letters: found.dead_letters.len(),
            left: found.left,
            in_doubt: found.in_doubt,
            lost,
            duplicated,
            out_of_order,
            sum_column: orders.sum_column.clone(),
            sum: sum.to_string(),
            sum_expected: sum_expected.to_string(),
            kills,
            seed,
            seconds,
            seconds_to_settle,
            clean: nothing_amiss && found.left == 0 && sum == sum_expected,
        })
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
        let verdict = match (self.clean, self.dead_letters) {
            (true, 0) => "It adds up.".to_owned(),
            (true, dead) => format!("It adds up; dead letters: {dead}."),
            (false, _) => "IT DOES NOT ADD UP.".to_owned(),
        };
        println!("\n{verdict}");
    }
}

fn sum_of(found: &Found, orders: &Orders) -> anyhow::Result<Decimal> {
    let mut sum = Decimal::default();
    for (line, value) in &found.rows {
        if let (Some(value), Some(_)) = (value, &orders.sum_column) {
            let added = value.parse().and_then(|term| sum.plus(term));
            sum = added.with_context(|| format!("the row of line {line}"))?;
        }
    }
    Ok(sum)
}

fn sum_expected(orders: &Orders, dead: &[u64]) -> anyhow::Result<Decimal> {
    if orders.sum_column.is_none() {
        return Ok(Decimal::default());
    }
    let dead: BTreeSet<&u64> = dead.iter().collect();
    let terms = orders.lines.iter().zip(&orders.terms).filter(|(line, _)| !dead.contains(line));
    Ok(terms.map(|(_, term)| *term).try_fold(Decimal::default(), Decimal::plus)?)
}

#[derive(Debug, PartialEq, Eq, Default)]
struct Comparison {
    lost: usize,
    duplicated: usize,
    out_of_order: usize,
}

impl Comparison {
    /// Each order is either a dead letter, once, or it is at each of the places, once and in its order.
    fn new(expected: &[u64], dead: &[u64], places: [&[u64]; 2]) -> Comparison {
        let mut compared = Comparison::default();
        let mut left: BTreeSet<u64> = expected.iter().copied().collect();
        compared.duplicated += dead.iter().filter(|line| !left.remove(line)).count();
        let mut lost = BTreeSet::new();
        for place in places {
            let (mut missing, mut furthest) = (left.clone(), 0);
            for line in place {
                compared.duplicated += usize::from(!missing.remove(line));
                compared.out_of_order += usize::from(*line < furthest);
                furthest = furthest.max(*line);
            }
            lost.append(&mut missing);
        }
        compared.lost = lost.len();
        compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_damage_is_counted() {
        let (dead, all): (&[u64], &[u64]) = (&[], &[2, 3, 5]);
        // Dead letters, rows, messages sent on: lost, duplicated, out of order.
        let table: [(&[u64], &[u64], &[u64], [usize; 3]); 9] = [
            (dead, all, all, [0, 0, 0]),
            (dead, &[2, 5], all, [1, 0, 0]),
            (dead, &[2, 5], &[2, 3], [2, 0, 0]),
            (dead, &[2, 3, 3, 5], all, [0, 1, 0]),
            (dead, all, &[2, 5, 3], [0, 0, 1]),
            (dead, &[2, 3, 5, 7], all, [0, 1, 0]),
            (dead, &[], &[], [3, 0, 0]),
            (&[3], &[2, 5], &[2, 5], [0, 0, 0]),
            (&[3, 3, 9], &[2, 3, 5], &[2, 5], [0, 3, 0]),
        ];
        for (dead, rows, sent, [lost, duplicated, out_of_order]) in table {
            let expected = Comparison { lost, duplicated, out_of_order };
            assert_eq!(Comparison::new(all, dead, [rows, sent]), expected, "{dead:?} {rows:?} {sent:?}");
        }
    }
}
