//! The queue manager's shell: what the pure cores need from the world, and what users see of them.

pub mod bench;
pub mod cli;
pub mod server;
pub mod store;
pub mod trigger;

// Whoever asks for the feature builds no program that serves.
const _: () =
    assert!(!handfast_machine::MISTAKES_BUILT_IN, "the mistakes of simulation/mutants are for its tests alone");

/// A message costs a few dozen small allocations on its way through sessions, Raft and the cores, made in one thread and
/// freed in another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
