//! The file system between RocksDB and its files, for tests: what is not synced can be lost, and the nth change can fail.
//!
//! RocksDB brings such a file system along for its own tests; this crate makes an environment of it that
//! `Options::set_env` takes. It models a power cut, with the store's process still alive:
//!
//! 1. [`FaultEnv::cut`], or a change that [`FaultEnv::strike`] names: from here on nothing reaches a file.
//! 2. The store is closed.
//! 3. [`FaultEnv::restore`] says what the power cut leaves of what was not synced, and the store can be opened again.

#![allow(unsafe_code, reason = "RocksDB's file system is C++: its functions are called here and nowhere else")]

use std::fmt;
use std::ptr::NonNull;

use rocksdb::Env;

/// An environment over the operating system's files. Dropping it leaves its [`Env`] usable.
pub struct FaultEnv {
    faults: NonNull<c::Faults>,
    env: Env,
}

/// What is written and not synced, in the hands of the file system below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// Kept back in memory until it is synced, so that a power cut can take it.
    Volatile,
    /// Written through at once: a power cut takes nothing. RocksDB's own default.
    Written,
}

/// What a power cut leaves of the data that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// As after the end of the process alone.
    Everything,
    Nothing,
    /// Of each file some first part, by this seed.
    Some(u32),
}

/// How long changes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// One fails, and the next succeeds.
    Once,
    /// From that one on all fail, reads included, until [`FaultEnv::restore`].
    On,
}

impl FaultEnv {
    pub fn new(unsynced: Unsynced) -> FaultEnv {
        // SAFETY: the function takes no pointer, and gives one that nobody else has.
        let faults = unsafe { c::handfast_fault_env_new(unsynced == Unsynced::Volatile) };
        let faults = NonNull::new(faults).expect("C++ throws rather than to give a null pointer");
        // SAFETY: `faults` is alive; the environment is made for this call alone, as `from_raw` asks.
        let env = unsafe { Env::from_raw(c::handfast_fault_env_env(faults.as_ptr())) };
        FaultEnv { faults, env }
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Appends, syncs, new, renamed and removed files until now; RocksDB's own log of warnings is not counted.
    pub fn changes(&self) -> u64 {
        // SAFETY: `faults` lives as long as self.
        unsafe { c::handfast_fault_env_changes(self.faults.as_ptr()) }
    }

    /// The change after so many others from now on fails.
    pub fn strike(&self, after: u64, failing: Failing) {
        // SAFETY: `faults` lives as long as self, and is safe to call from any thread.
        unsafe { c::handfast_fault_env_strike(self.faults.as_ptr(), after, failing == Failing::Once) }
    }

    /// Whether the change that was named last has come.
    pub fn has_struck(&self) -> bool {
        // SAFETY: `faults` lives as long as self.
        unsafe { c::handfast_fault_env_struck(self.faults.as_ptr()) }
    }

    /// From now on everything fails, and nothing reaches a file.
    pub fn cut(&self) {
        // SAFETY: `faults` lives as long as self, and is safe to call from any thread.
        unsafe { c::handfast_fault_env_cut(self.faults.as_ptr()) }
    }

    /// Lets everything succeed again, after the stores in this environment were closed, with what the power cut has left.
    pub fn restore(&self, left: Left) {
        let faults = self.faults.as_ptr();
        // SAFETY: `faults` lives as long as self.
        let done = unsafe {
            c::handfast_fault_env_restore(faults);
            match left {
                Left::Everything => true,
                Left::Nothing => c::handfast_fault_env_drop_unsynced(faults),
                Left::Some(seed) => c::handfast_fault_env_drop_some_unsynced(faults, seed),
            }
        };
        assert!(done, "the file system could not drop what was not synced");
    }

    /// Takes away the files whose names were not made durable by a sync of their directory. After [`FaultEnv::restore`].
    pub fn lose_unsynced_names(&self) {
        // SAFETY: `faults` lives as long as self.
        let done = unsafe { c::handfast_fault_env_drop_unsynced_names(self.faults.as_ptr()) };
        assert!(done, "the file system could not remove the files that were not synced");
    }

    /// Begins anew: everything succeeds, what is synced is all there is, and all names are durable. No store may be open.
    pub fn forget(&self) {
        // SAFETY: `faults` lives as long as self.
        unsafe { c::handfast_fault_env_forget(self.faults.as_ptr()) }
    }
}

impl Drop for FaultEnv {
    fn drop(&mut self) {
        // SAFETY: nobody else has the pointer, and what it points to shares what the environment needs.
        unsafe { c::handfast_fault_env_destroy(self.faults.as_ptr()) }
    }
}

// SAFETY: the file system and the counter behind it lock, as RocksDB calls them from all of its threads.
unsafe impl Send for FaultEnv {}
// SAFETY: as above.
unsafe impl Sync for FaultEnv {}

impl fmt::Debug for FaultEnv {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FaultEnv").field("changes", &self.changes()).finish_non_exhaustive()
    }
}

/// `fault_env.cc`.
mod c {
    use librocksdb_sys::rocksdb_env_t;

    /// Opaque: only C++ looks inside.
    #[repr(C)]
    pub struct Faults {
        private: [u8; 0],
    }

    unsafe extern "C" {
        pub fn handfast_fault_env_new(loses_unsynced: bool) -> *mut Faults;
        pub fn handfast_fault_env_destroy(faults: *mut Faults);
        pub fn handfast_fault_env_env(faults: *const Faults) -> *mut rocksdb_env_t;
        pub fn handfast_fault_env_changes(faults: *const Faults) -> u64;
        pub fn handfast_fault_env_strike(faults: *mut Faults, after: u64, once: bool);
        pub fn handfast_fault_env_struck(faults: *const Faults) -> bool;
        pub fn handfast_fault_env_cut(faults: *mut Faults);
        pub fn handfast_fault_env_restore(faults: *mut Faults);
        pub fn handfast_fault_env_drop_unsynced(faults: *mut Faults) -> bool;
        pub fn handfast_fault_env_drop_some_unsynced(faults: *mut Faults, seed: u32) -> bool;
        pub fn handfast_fault_env_drop_unsynced_names(faults: *mut Faults) -> bool;
        pub fn handfast_fault_env_forget(faults: *mut Faults);
    }
}
