//! Any text as the names that we give to others and find again there: in a database's list of prepared transactions, on a
//! command line, in a message. One thing has one name: what is read is written as it was read.

use std::fmt::Display;

use handfast_protocol::{
    DeadLetterReason, GlobalId, MessageId, PreparedName, ProducerName, QueueName, ResourceName, Xid, pgpass,
};

use crate::again::same;

/// The same bytes as each kind of name, as a global id and as a password file.
pub fn check(bytes: &[u8]) {
    if let Some(id) = GlobalId::from_bytes(bytes) {
        assert_eq!(id.to_bytes(), bytes);
        same(id.to_string().parse(), &id);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    written_as_read(text, text.parse::<GlobalId>());
    written_as_read(text, text.parse::<PreparedName>());
    written_as_read(text, text.parse::<DeadLetterReason>());
    written_as_read(text, text.parse::<MessageId>());
    written_as_read(text, ResourceName::new(text));
    written_as_read(text, ProducerName::new(text));
    if let Ok(name) = QueueName::new(text) {
        assert_eq!(name.as_str(), text);
        assert!(QueueName::new(name.folded()).is_ok_and(|folded| folded == name), "{text:?} has another name as well");
    }
    if let Ok(xid) = text.parse::<Xid>() {
        read_again(&xid);
    }
    pgpass::lookup(text, "db", 5432, "shop", "ann");
}

fn written_as_read<T: Display, E>(text: &str, read: Result<T, E>) {
    if let Ok(name) = read {
        assert_eq!(name.to_string(), text, "it has a second name");
    }
}

/// One that our coordinator made is written as its global id.
fn read_again(xid: &Xid) {
    match GlobalId::try_from(xid) {
        Ok(id) => same(xid.to_string().parse(), &id),
        Err(_) => same(xid.to_string().parse(), xid),
    }
}
