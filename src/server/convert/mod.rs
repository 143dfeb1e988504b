//! Between the wire and the machine: requests in, answers and refusals out. What a stranger sent is judged here.

mod answer;
mod refusal;
mod request;

pub use answer::reply;
pub use refusal::{malformed, refusal, refused, stopping};
pub use request::{Asked, request};
