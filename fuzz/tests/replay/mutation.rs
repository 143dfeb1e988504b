//! Blind mutations: a few bytes of a kept input changed, left out, doubled, or joined to another one's.

use handfast_log::disk::SplitMix64;

/// Changes of one mutation.
const CHANGES_MAX: u64 = 6;

/// Bytes of one change.
const BYTES_MAX: u64 = 32;

/// Lengths, counts and marks often turn at these.
const EDGES: [u8; 8] = [0, 1, 2, 7, 0x7F, 0x80, 0xFE, 0xFF];

/// One mutation of one of the inputs, of which there is at least one.
pub fn of(corpus: &[(String, Vec<u8>)], generator: &mut SplitMix64) -> Vec<u8> {
    let mut pick = || &corpus[generator.below(corpus.len() as u64) as usize].1;
    let (mut bytes, other) = (pick().clone(), pick());
    for _ in 0..=generator.below(CHANGES_MAX) {
        change(&mut bytes, other, generator);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], generator: &mut SplitMix64) {
    if bytes.is_empty() {
        bytes.push(generator.next_u64() as u8);
        return;
    }
    let at = generator.below(bytes.len() as u64) as usize;
    let end = (at + 1 + generator.below(BYTES_MAX) as usize).min(bytes.len());
    match generator.below(7) {
        0 => bytes[at] ^= 1 << generator.below(8),
        1 => bytes[at] = generator.next_u64() as u8,
        2 => bytes[at] = EDGES[generator.below(EDGES.len() as u64) as usize],
        3 => bytes[at..end].fill(EDGES[generator.below(EDGES.len() as u64) as usize]),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let doubled = bytes[at..end].to_vec();
            bytes.splice(at..at, doubled);
        }
        _ => {
            let from = generator.below(other.len() as u64 + 1) as usize;
            bytes.splice(at..end, other[from..].iter().copied().take(end - at));
        }
    }
}
