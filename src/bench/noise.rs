//! Bytes of no pattern, the same in every run: what a file system or a store gains by compressing would be no message's.

use std::cell::Cell;

use bytes::Bytes;

use super::limits::NOISE_BYTES;

/// Letters and digits of no pattern, in any amount.
#[derive(Debug)]
pub struct Noise {
    bytes: Bytes,
    next: Cell<usize>,
}

impl Noise {
    /// Pieces of at most `length` bytes can be cut from it.
    pub fn new(length: usize) -> Noise {
        Noise { bytes: letters(NOISE_BYTES + length).into(), next: Cell::new(0) }
    }

    /// A piece that differs from those before it, without a copy.
    pub fn piece(&self, length: usize) -> Bytes {
        let from = self.next.get();
        // Odd steps: they come to every place of the noise before they come to one again.
        self.next.set((from + (length | 1)) % NOISE_BYTES);
        self.bytes.slice(from..from + length)
    }
}

/// Marsaglia's xorshift, six bits a letter.
pub fn letters(length: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes().map(|byte| LETTERS[usize::from(byte % 64)]));
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn pieces_are_as_long_as_asked_for_and_differ() {
        let noise = Noise::new(1024);
        let pieces: Vec<Bytes> = (0..20_000).map(|_| noise.piece(1024)).collect();
        assert!(pieces.iter().all(|piece| piece.len() == 1024));
        let different: BTreeSet<&Bytes> = pieces.iter().collect();
        assert_eq!(different.len(), pieces.len());
        assert_eq!(Noise::new(1).piece(1).len(), 1);
    }
}
