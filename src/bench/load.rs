//! Logical clients that work side by side until their time is over: one task polls them all, so that none of them costs a
//! task or a thread, and what they record needs no lock.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::display::Display;
use super::error::BenchError;
use super::figures::Figures;
use super::limits::{
    BYTES_UNDER_WAY_MAX, DISPLAY_EVERY, LAID_IN_BYTES_MAX, LAID_IN_MAX, LIMIT_SPAN_MAX, ORDER_BYTES_MIN, WARM_UP,
};
use super::recorder::Recorder;
use super::work::{Kind, Turn};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// How much of it, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Logical clients.
    pub concurrency: usize,
    /// What each of them has under way at a time: 1 but for producers that send without waiting.
    pub window: usize,
    /// Bytes of a body.
    pub size: usize,
    /// How long it counts.
    pub span: Duration,
}

/// A logical client: it does one thing, time after time.
pub trait LoadClient {
    fn turn(&self) -> impl Future<Output = Result<Turn, BenchError>>;
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    pub count: u64,
    /// How long it counted: less than was asked for where the messages ran out, or somebody interrupted it.
    pub span: Duration,
    pub figures: Figures,
}

impl Load {
    /// What cannot be measured, before anything is begun.
    pub fn check(&self, kind: &Kind) -> Result<(), BenchError> {
        let (count, size) = (self.under_way(), self.size);
        if count.saturating_mul(size) > BYTES_UNDER_WAY_MAX {
            return Err(BenchError::TooMuch { count, size });
        }
        match kind {
            Kind::Pair(_) if size < ORDER_BYTES_MIN => Err(BenchError::TooSmall),
            Kind::Send | Kind::Receive | Kind::Transfer | Kind::Pair(_) => Ok(()),
        }
    }

    /// Messages under way at a time.
    pub fn under_way(&self) -> usize {
        self.concurrency.saturating_mul(self.window)
    }

    /// How many messages a run may take at most, for so many a second.
    pub fn messages(&self, a_second: u64) -> u64 {
        let span: Duration = self.span + WARM_UP;
        let wanted = span.as_secs().saturating_mul(a_second);
        let room = LAID_IN_BYTES_MAX / u64::try_from(self.size.max(1)).unwrap_or(u64::MAX);
        let clients = u64::try_from(self.concurrency).unwrap_or(u64::MAX);
        wanted.min(LAID_IN_MAX).min(room).max(clients)
    }

    /// How long the disk's limit is measured.
    pub fn limit_span(&self) -> Duration {
        self.span.min(LIMIT_SPAN_MAX)
    }
}

/// Has all of `clients` work until the load's time is over, a queue is empty, or `stopped` ends. What is under way then is
/// finished.
pub async fn run_load<C: LoadClient>(
    clients: Vec<C>,
    load: &Load,
    display: &Display,
    stopped: impl Future<Output = ()>,
) -> Result<Measured, BenchError> {
    let began = Instant::now();
    // Borrowed for a look or a count between two awaits.
    let recorder = RefCell::new(Recorder::new(began + WARM_UP, began + WARM_UP + load.span));
    let clients = clients.into_iter().map(|client| work_on(client, &recorder));
    let mut clients: FuturesUnordered<_> = clients.collect();
    let mut failure = None;
    let mut ticks = tokio::time::interval(DISPLAY_EVERY);
    tokio::pin!(stopped);
    let mut is_stopped = false;
    loop {
        tokio::select! {
            ended = clients.next() => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    // The others finish what they have.
                    recorder.borrow_mut().end(Instant::now());
                    failure = failure.or(Some(error));
                }
                None => break,
            },
            () = &mut stopped, if !is_stopped => {
                is_stopped = true;
                recorder.borrow_mut().end(Instant::now());
            }
            _ = ticks.tick() => {
                let (now, recorder) = (Instant::now(), recorder.borrow());
                let figures = |rate: f64| format!("{:.0} s of {:.0} s, {rate:.0}/s", now.duration_since(began).as_secs_f64(), (WARM_UP + load.span).as_secs_f64());
                display.say(|| figures(recorder.figures(now).rate));
            }
        }
    }
    let (now, recorder) = (Instant::now(), recorder.borrow());
    match failure {
        Some(error) => Err(error),
        None if recorder.count() == 0 => Err(BenchError::Interrupted),
        None => Ok(Measured { count: recorder.count(), span: recorder.span(now), figures: recorder.figures(now) }),
    }
}

async fn work_on(client: impl LoadClient, recorder: &RefCell<Recorder>) -> Result<(), BenchError> {
    loop {
        let began = Instant::now();
        if recorder.borrow().is_over(began) {
            return Ok(());
        }
        match client.turn().await? {
            Turn::Done => recorder.borrow_mut().record(began, Instant::now()),
            Turn::Dry => recorder.borrow_mut().end(began),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::limits::RECEIVED_A_SECOND;

    #[test]
    fn what_is_laid_in_is_bounded() {
        let table = [
            // Clients, size, seconds: messages.
            (64, 1024, 10, 440_000),
            (1, 1, 3600, LAID_IN_MAX),
            (16, 1 << 20, 10, 4096),
            (4096, 64 << 20, 10, 4096),
        ];
        for (concurrency, size, seconds, expected) in table {
            let load = Load { concurrency, window: 1, size, span: Duration::from_secs(seconds) };
            assert_eq!(load.messages(RECEIVED_A_SECOND), expected, "{load:?}");
        }
    }
}
