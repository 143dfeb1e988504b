//! What openraft runs on in these tests: one thread, a clock that goes when told to, and randomness from a seed.
//!
//! A member has a runtime of its own, which stands for its process: dropping it is a kill, whatever it was at.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use openraft::OptionalSend;
use openraft::async_runtime::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender};
use openraft::base::OptionalSync;
use openraft::impls::TokioRuntime;
use openraft::rt::AsyncRuntime;
use openraft::rt::deterministic_rng::DeterministicRng;
use tokio::sync::{Notify, watch};

pub(crate) type SeededRuntime = DeterministicRng<Paused>;

/// Tokio on one thread whose time jumps to the next timer whenever there is nothing else to do.
#[derive(Debug)]
pub(crate) struct Paused {
    tokio: tokio::runtime::Runtime,
}

impl AsyncRuntime for Paused {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <TokioRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = OrderedWatch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: Self::Instant, future: F) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    /// Never asked: [`SeededRuntime`] draws from its seed.
    fn thread_rng() -> Self::ThreadLocalRng {
        TokioRuntime::thread_rng()
    }

    fn new(_threads: usize) -> Self {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let tokio = builder.enable_time().start_paused(true).build();
        Paused { tokio: tokio.expect("a runtime without a driver for sockets asks the system for nothing") }
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.tokio.block_on(future)
    }
}

/// Tokio's watch channel wakes those who wait in an order that no seed decides; this one in the order in which they came.
pub(crate) struct OrderedWatch;

pub(crate) struct OrderedSender<T> {
    values: watch::Sender<T>,
    news: Arc<Notify>,
}

pub(crate) struct OrderedReceiver<T> {
    values: watch::Receiver<T>,
    news: Arc<Notify>,
}

impl<T> Clone for OrderedSender<T> {
    fn clone(&self) -> Self {
        OrderedSender { values: self.values.clone(), news: Arc::clone(&self.news) }
    }
}

impl<T> Clone for OrderedReceiver<T> {
    fn clone(&self) -> Self {
        OrderedReceiver { values: self.values.clone(), news: Arc::clone(&self.news) }
    }
}

impl<T> Drop for OrderedSender<T> {
    /// Who is woken looks only after this sender is gone: there is one thread.
    fn drop(&mut self) {
        self.news.notify_waiters();
    }
}

impl Watch for OrderedWatch {
    type Sender<T: OptionalSend + OptionalSync> = OrderedSender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = OrderedReceiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = watch::Ref<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (OrderedSender<T>, OrderedReceiver<T>) {
        let (sender, receiver) = watch::channel(init);
        let news = Arc::new(Notify::new());
        (OrderedSender { values: sender, news: Arc::clone(&news) }, OrderedReceiver { values: receiver, news })
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<OrderedWatch, T> for OrderedSender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        let sent = self.values.send(value).map_err(|unsent| SendError(unsent.0));
        self.news.notify_waiters();
        sent
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        let modified = self.values.send_if_modified(modify);
        if modified {
            self.news.notify_waiters();
        }
        modified
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.values.borrow()
    }

    fn subscribe(&self) -> OrderedReceiver<T> {
        OrderedReceiver { values: self.values.subscribe(), news: Arc::clone(&self.news) }
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<OrderedWatch, T> for OrderedReceiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        let news = Arc::clone(&self.news);
        loop {
            let mut told = pin!(news.notified());
            told.as_mut().enable();
            if self.values.borrow_and_update().has_changed() {
                return Ok(());
            }
            if self.values.has_changed().is_err() {
                return Err(RecvError(()));
            }
            told.await;
        }
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.values.borrow()
    }

    fn borrow_and_update(&mut self) -> watch::Ref<'_, T> {
        self.values.borrow_and_update()
    }
}
