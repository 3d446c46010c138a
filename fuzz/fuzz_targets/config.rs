//! Any text as a configuration: problems, but no panic; and what loads can be printed and loads again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(proxy) = config::load_text(text, "fuzz") {
        let printed = config::print::yaml_with(&proxy, config::print::Secrets::Shown);
        assert!(config::load_text(&printed, "printed").is_ok(), "{printed}");
    }
});
