#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pipeline_fuzz::customers_csv::check(bytes));
