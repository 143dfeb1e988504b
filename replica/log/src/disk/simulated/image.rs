//! The bytes of one file, cheap while they are zeros that nobody wrote.

/// Bytes beyond `written` and below `length` are zeros.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Image {
    written: Vec<u8>,
    length: u64,
}

impl Image {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let start = offset as usize;
        let end = start + bytes.len();
        if self.written.len() < end {
            self.written.resize(end, 0);
        }
        self.written[start..end].copy_from_slice(bytes);
        self.length = self.length.max(end as u64);
    }

    pub(super) fn set_length(&mut self, length: u64) {
        if (self.written.len() as u64) > length {
            self.written.truncate(length as usize);
        }
        self.length = length;
    }

    /// Fills the buffer, or answers false if the file ends before it is full.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> bool {
        if offset + buffer.len() as u64 > self.length {
            return false;
        }
        let start = (offset as usize).min(self.written.len());
        let end = (start + buffer.len()).min(self.written.len());
        let (stored, zeros) = buffer.split_at_mut(end - start);
        stored.copy_from_slice(&self.written[start..end]);
        zeros.fill(0);
        true
    }

    pub(super) fn flip(&mut self, offset: u64, bit: u8) {
        assert!(offset < self.length, "a flip must be within the file");
        let mut byte = [0];
        assert!(self.read(offset, &mut byte), "the offset was checked");
        self.write(offset, &[byte[0] ^ (1 << (bit % 8))]);
    }
}
