#![no_main]

#[path = "../rules.rs"]
#[expect(dead_code, reason = "each target holds one of the rules")]
mod rules;

libfuzzer_sys::fuzz_target!(|data: &[u8]| rules::voipbin_callback(data));
