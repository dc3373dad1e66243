//! See `herdbook_fuzz::answers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| herdbook_fuzz::answers::run(input));
