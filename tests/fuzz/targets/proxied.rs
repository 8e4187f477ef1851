//! libFuzzer's inputs for the target `proxied` of `src/fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anteroom_fuzz::play("proxied", bytes));
