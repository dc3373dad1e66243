//! See `herdbook_fuzz::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| herdbook_fuzz::frame::run(input));
