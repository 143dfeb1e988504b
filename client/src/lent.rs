//! A connection that the application lent to a transaction, and gets back when the transaction has ended.

use tokio::sync::oneshot;

/// The way back. The connection is the transaction's until then, so that nothing comes between its marker row and its
/// commit.
#[derive(Debug)]
#[must_use = "the connection comes back here"]
pub struct Lent<T> {
    back: oneshot::Receiver<T>,
}

impl<T> Lent<T> {
    pub(crate) fn new() -> (oneshot::Sender<T>, Lent<T>) {
        let (give, back) = oneshot::channel();
        (give, Lent { back })
    }

    /// Waits for the end of the transaction. `None` where the connection was closed: it broke, or its commit has no certain
    /// end (P21).
    pub async fn back(self) -> Option<T> {
        self.back.await.ok()
    }
}
