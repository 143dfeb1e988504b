//! Any bytes as what the log carries: entries of the machine, commands of either core. What can be read is written again and
//! reads the same.
//!
//! What it does not check: what applying a command does. Commands come from our own log, whose checksums hold.

use bytes::Bytes;
use handfast_coordinator_core as coordinator;
use handfast_machine::{decode_batch, encode_batch};
use handfast_queue as queue;

use crate::again::same;

/// The same bytes as each of them.
pub fn check(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(batch) = decode_batch(&bytes) {
        same(decode_batch(&encode_batch(&batch)), &batch);
    }
    if let Ok(command) = queue::decode_command(&bytes) {
        let mut written = Vec::new();
        queue::encode_command(&command, &mut written);
        same(queue::decode_command(&written.into()), &command);
    }
    if let Ok(command) = coordinator::decode_command(&bytes) {
        let mut written = Vec::new();
        coordinator::encode_command(&command, &mut written);
        same(coordinator::decode_command(&written), &command);
    }
}
