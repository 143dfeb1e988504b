//! What happened in a run, line by line: told, or only summed up so that two runs can be compared.

use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Debug)]
pub(super) struct Trace {
    sum: DefaultHasher,
    aloud: bool,
}

impl Trace {
    pub fn silent() -> Trace {
        Trace { sum: DefaultHasher::new(), aloud: false }
    }

    pub fn aloud() -> Trace {
        Trace { aloud: true, ..Trace::silent() }
    }

    pub fn tell(&mut self, now: u64, line: impl FnOnce() -> String) {
        let line = line();
        (now, &line).hash(&mut self.sum);
        if self.aloud {
            println!("{now:>6} {line}");
        }
    }

    /// Goes into the sum untold.
    pub fn note(&mut self, what: &impl Hash) {
        what.hash(&mut self.sum);
    }

    /// Of two runs that went the same way it is the same.
    pub fn sum(&self) -> u64 {
        self.sum.finish()
    }
}
