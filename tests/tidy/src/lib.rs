//! The repository checks itself: which crate may know which, what the pure cores never touch, how long a file may be. Plain
//! text goes in and [`Finding`]s come out; `tests/repository.rs` gives it this checkout.
//!
//! It reads Rust with a small lexer and counts braces; it is no compiler. What the compiler or clippy can keep is not here.

mod finding;
mod lexer;
mod repository;
pub mod rules;
mod source;

pub use finding::Finding;
pub use repository::Repository;
