//! The messages of a run, each with a key by which it is known to the end.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bytes::Bytes;
use handfast_client::Message;
use handfast_import::CsvRows;

use crate::error::CrashTestError;
use crate::limits::{ORDERS_A_KILL, POISONS};

/// What is sent, in this order.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub key: String,
    pub body: Bytes,
    /// It cannot be written, and has to die of it.
    pub is_doomed: bool,
}

impl Outgoing {
    pub fn message(&self) -> Message {
        Message::bytes(self.body.clone()).correlation_id(self.key.clone())
    }
}

/// As many orders as the kills need. Some have no amount, without which they cannot be written.
pub fn made_up(kills: u32) -> Vec<Outgoing> {
    let count = ORDERS_A_KILL * (u64::from(kills) + 1);
    let order = |number: u64| {
        let is_doomed = number % (count / POISONS) == count / (2 * POISONS);
        let amount =
            if is_doomed { String::new() } else { format!(",\"amount\":{}.{:02}", number * 37 % 1_000, number % 100) };
        Outgoing { key: format!("order-{number}"), body: format!("{{\"id\":{number}{amount}}}").into(), is_doomed }
    };
    (1..=count).map(order).collect()
}

/// The rows of the user's file. Which of them die is his trigger's business.
pub fn of_csv(path: &Path) -> Result<Vec<Outgoing>, CrashTestError> {
    let unreadable = |cause| CrashTestError::Messages { path: path.to_owned(), cause };
    let file = File::open(path).map_err(CrashTestError::file(path))?;
    let rows = CsvRows::new(BufReader::new(file), None).map_err(unreadable)?;
    let outgoing = rows.map(|row| {
        let row = row.map_err(unreadable)?;
        Ok(Outgoing { key: format!("line-{}", row.line), body: row.body, is_doomed: false })
    });
    let outgoing: Vec<Outgoing> = outgoing.collect::<Result<_, CrashTestError>>()?;
    if outgoing.is_empty() {
        return Err(CrashTestError::NoMessages { path: path.to_owned() });
    }
    Ok(outgoing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_names_of_their_own_and_some_are_doomed() {
        let orders = made_up(1);
        let keys: std::collections::BTreeSet<&str> = orders.iter().map(|order| order.key.as_str()).collect();
        assert_eq!(keys.len(), orders.len());
        assert_eq!(orders.len() as u64, 2 * ORDERS_A_KILL);
        let doomed: Vec<&[u8]> = orders.iter().filter(|order| order.is_doomed).map(|order| &order.body[..]).collect();
        assert_eq!(doomed, [&b"{\"id\":20}"[..], b"{\"id\":60}", b"{\"id\":100}"]);
        assert_eq!(&orders[0].body[..], b"{\"id\":1,\"amount\":37.01}");
    }
}
