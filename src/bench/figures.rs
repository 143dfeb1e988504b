//! How many a second, and how long each took.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The figures of one measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// A second.
    pub rate: f64,
    /// What half of them took at most, in microseconds.
    pub p50_us: f64,
    /// The same for 99 of 100.
    pub p99_us: f64,
}

impl Figures {
    /// Of `count` things within `span`, whose latencies in nanoseconds are `latencies`.
    pub fn of(count: u64, span: Duration, latencies: &Histogram<u64>) -> Figures {
        let seconds = span.as_secs_f64();
        let rate = if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let micros = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
        Figures { rate, p50_us: micros(0.5), p99_us: micros(0.99) }
    }
}
