#![no_main]
#![allow(unsafe_code, reason = "the macro gives libFuzzer a function by a name that is not mangled")]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| handfast_fuzz::schedule::check(bytes));
