//! See `herdbook_fuzz::hello`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| herdbook_fuzz::hello::run(input));
