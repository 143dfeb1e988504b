//! Why a test is skipped.

use std::fmt;
use std::process::Command;

/// What this machine does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub(crate) String);

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Standard output of the command, or what it says it lacks.
pub(crate) fn output(command: &mut Command) -> Result<String, Unavailable> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| Unavailable(format!("{program}: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        return Err(Unavailable(format!("{program} ends with {}: {said}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
