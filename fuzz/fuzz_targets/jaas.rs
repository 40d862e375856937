//! See the function of that name in `src/targets.rs`.
#![no_main]

#[path = "../src/targets.rs"]
#[allow(dead_code, reason = "each fuzzer uses one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::jaas(data));
