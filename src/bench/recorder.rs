//! What was done within a window of time, and how long each took.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::figures::Figures;
use super::limits::LATENCY_MAX;

/// Counts what ends within its window; what ends before or after is passed over.
#[derive(Debug)]
pub struct Recorder {
    from: Instant,
    to: Instant,
    latencies: Histogram<u64>,
}

/// Of latencies in nanoseconds, to three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, nanos(LATENCY_MAX), 3).expect("the bounds are apart, and three digits are allowed")
}

pub fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

impl Recorder {
    pub fn new(from: Instant, to: Instant) -> Recorder {
        Recorder { from, to, latencies: histogram() }
    }

    pub fn record(&mut self, began: Instant, ended: Instant) {
        if ended > self.from && ended <= self.to {
            self.latencies.saturating_record(nanos(ended - began));
        }
    }

    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.to
    }

    /// The window ends now, if it did not end before.
    pub fn end(&mut self, now: Instant) {
        self.to = self.to.min(now);
    }

    pub fn count(&self) -> u64 {
        self.latencies.len()
    }

    /// The part of the window that is over.
    pub fn span(&self, now: Instant) -> Duration {
        self.to.min(now).saturating_duration_since(self.from)
    }

    pub fn figures(&self, now: Instant) -> Figures {
        Figures::of(self.count(), self.span(now), &self.latencies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_within_the_window_counts() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut recorder = Recorder::new(at(1000), at(2000));
        for (began, ended) in [(0, 1000), (500, 1500), (1999, 2000), (1999, 2001)] {
            recorder.record(at(began), at(ended));
        }
        let figures = recorder.figures(at(3000));
        assert_eq!((recorder.count(), figures.rate), (2, 2.0));
        assert!(
            (figures.p50_us - 1_000.0).abs() < 1.0 && (figures.p99_us - 1_000_000.0).abs() < 1_000.0,
            "{figures:?}"
        );
    }

    #[test]
    fn a_window_that_is_cut_is_shorter() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut recorder = Recorder::new(at(0), at(2000));
        recorder.record(at(0), at(100));
        assert_eq!((recorder.span(at(400)), recorder.is_over(at(400))), (Duration::from_millis(400), false));
        recorder.end(at(500));
        recorder.record(at(0), at(600));
        assert_eq!((recorder.figures(at(9000)).rate, recorder.is_over(at(500))), (2.0, true));
    }
}
