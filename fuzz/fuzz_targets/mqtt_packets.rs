#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tellee_fuzz::mqtt_packets(input));
