#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| asfaleia_fuzz::picture(data));
