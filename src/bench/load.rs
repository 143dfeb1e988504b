//! Logical clients that work side by side until their time is over: one task polls them all, so that none of them costs a
//! task or a thread, and what they record needs no lock. They share one session, as the work of one application does.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use handfast_client::Handfast;

use super::display::Display;
use super::error::BenchError;
use super::figures::Figures;
use super::limits::{BYTES_UNDER_WAY_MAX, DISPLAY_EVERY, LIMIT_SPAN_MAX, ORDER_BYTES_MIN, WARM_UP};
use super::recorder::Recorder;
use super::work::{Kind, Turn, Work};

/// How much of it, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Logical clients; each has one request under way at a time.
    pub concurrency: usize,
    /// Bytes of a body.
    pub size: usize,
    /// How long it counts.
    pub span: Duration,
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
        let Load { concurrency, size, .. } = *self;
        if concurrency.saturating_mul(size) > BYTES_UNDER_WAY_MAX {
            return Err(BenchError::TooMuch { concurrency, size });
        }
        match kind {
            Kind::Pair(_) if size < ORDER_BYTES_MIN => Err(BenchError::TooSmall),
            Kind::Send | Kind::Receive | Kind::Transfer | Kind::Pair(_) => Ok(()),
        }
    }

    /// How long the disk's limit is measured.
    pub fn limit_span(&self) -> Duration {
        self.span.min(LIMIT_SPAN_MAX)
    }
}

/// Runs `work` until the load's time is over, a queue is empty, or `stopped` ends. What is under way then is finished.
pub async fn run_load(
    work: &Work,
    handfast: &Handfast,
    load: &Load,
    display: &Display,
    stopped: impl Future<Output = ()>,
) -> Result<Measured, BenchError> {
    let began = Instant::now();
    // Borrowed for a look or a count between two awaits.
    let recorder = RefCell::new(Recorder::new(began + WARM_UP, began + WARM_UP + load.span));
    let clients = (0..load.concurrency).map(|_| work_on(work, handfast, &recorder));
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

async fn work_on(work: &Work, handfast: &Handfast, recorder: &RefCell<Recorder>) -> Result<(), BenchError> {
    loop {
        let began = Instant::now();
        if recorder.borrow().is_over(began) {
            return Ok(());
        }
        match work.turn(handfast).await? {
            Turn::Done => recorder.borrow_mut().record(began, Instant::now()),
            Turn::Dry => recorder.borrow_mut().end(began),
        }
    }
}
