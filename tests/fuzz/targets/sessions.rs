//! libFuzzer's inputs for the target `sessions` of `src/fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anteroom_fuzz::play("sessions", bytes));
