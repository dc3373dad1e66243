//! See `herdbook_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| herdbook_fuzz::config::run(input));
