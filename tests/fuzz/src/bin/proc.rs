//! See `herdbook_fuzz::proc`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| herdbook_fuzz::proc::run(input));
