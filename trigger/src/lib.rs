//! What users write of a trigger: the file, the statements in it, and the values that a message's body gives to them.
//!
//! It runs nothing: the root package's `src/trigger` does, with what comes out of here.

mod file;
mod limits;
mod parameters;
mod statement;

pub use file::{Database, TriggerFile, TriggerFileError};
pub use parameters::{Argument, ParameterError, Parameters};
pub use statement::{Parameter, Statement, StatementError};
