#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| relais_proxy::fuzzing::layout(input));
