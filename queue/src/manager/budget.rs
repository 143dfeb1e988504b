//! A bound on bytes that many things hold together.

/// Bytes in use below a limit.
#[derive(Debug)]
pub(super) struct Budget {
    used: usize,
    limit: usize,
}

impl Budget {
    pub fn new(limit: usize) -> Budget {
        Budget { used: 0, limit }
    }

    /// Takes `bytes`, or nothing and `false` when they would go beyond the limit.
    #[must_use]
    pub fn charge(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.limit - self.used;
        if fits {
            self.used += bytes;
        }
        fits
    }

    pub fn release(&mut self, bytes: usize) {
        assert!(bytes <= self.used, "released {bytes} of {} charged bytes", self.used);
        self.used -= bytes;
    }

    pub fn used(&self) -> usize {
        self.used
    }

    pub fn limit(&self) -> usize {
        self.limit
    }
}
