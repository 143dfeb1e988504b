//! The orders of a run: what a message's body says, and how the checker knows it again.

use handfast_checker::history::{Message, Row};

use crate::database::OrderRow;

/// The body of an order: its key, what it is worth, whether anybody can do it, and some ballast. A shipment has the body of
/// its order.
pub fn body(number: u32, is_poison: bool, ballast: u32) -> String {
    let temper = if is_poison { POISON } else { "sound" };
    format!("{} {} {temper} {}", name(number), worth(number), "x".repeat(ballast as usize))
}

/// The key of an order.
pub fn name(number: u32) -> String {
    format!("order-{number}")
}

/// Whoever takes it up fails on it, every time.
pub fn is_poison(body: &str) -> bool {
    body.split(' ').nth(2) == Some(POISON)
}

const POISON: &str = "poison";

/// Prime, so that two sums are hardly ever the same by chance.
fn worth(number: u32) -> i64 {
    1_000_003 + 7_919 * i64::from(number)
}

pub fn key(body: &str) -> &str {
    body.split(' ').next().unwrap_or_default()
}

fn tokens(body: &str) -> i64 {
    body.split(' ').nth(1).and_then(|tokens| tokens.parse().ok()).unwrap_or_default()
}

/// `by`: the label, in which a shipment names its transaction.
pub fn message(body: &str, by: &str) -> Message {
    Message {
        key: key(body).to_owned(),
        digest: u64::from(crc32c::crc32c(body.as_bytes())),
        by: (!by.is_empty()).then(|| by.to_owned()),
        tokens: tokens(body),
    }
}

pub fn row(row: &OrderRow) -> Row {
    Row { key: key(&row.order).to_owned(), by: row.id.to_string(), tokens: tokens(&row.order) }
}
