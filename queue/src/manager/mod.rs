//! The volatile half of the queue manager, on the leader only: active branches, locks, ready windows, waiting receives.
//!
//! It judges requests against the durable state and proposes commands; it answers only on what applying them said (D3). A
//! new leadership starts a new manager with nothing active; what was active is thereby rolled back, what was prepared is in
//! the state.

pub mod request;

pub use request::{Answer, ConnectionId, NewBody, NewMessage, QueueView, Received, Request, RequestId, RequestRefused};
