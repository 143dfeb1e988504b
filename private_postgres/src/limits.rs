//! How long and how far this crate goes before it gives up.

use std::ops::Range;
use std::time::Duration;

/// From launch to "ready to accept connections", crash recovery included: a second on an idle machine, more on a loaded one.
pub const READY_WITHIN: Duration = Duration::from_secs(60);

/// Below the kernel's range for outgoing connections (32768 and up). Inside it, a client that retries against a killed
/// server may be given the server's own port, connect to itself, and keep the server from coming back.
pub const PORTS: Range<u16> = 20_000..32_000;

/// Ports tried for a first start: another process may take a free port between the look and the launch.
pub const PORT_ATTEMPTS: u32 = 10;

/// Lines of the server's log that an error quotes.
pub const LOG_LINES_MAX: usize = 40;
