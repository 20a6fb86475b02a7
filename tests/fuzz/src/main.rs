//! The fuzzing engine's program: `DAB_FUZZ_TARGET` names the target, the arguments are libFuzzer's. `tests/fuzz/run` builds
//! and starts it.
//!
//! With `DAB_FUZZ_EXAMPLES` the good examples of the target are written into that folder first.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use dab_fuzz::{Target, examples, targets};
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        target().warm_up();
        if let Some(dir) = std::env::var_os("DAB_FUZZ_EXAMPLES") {
            examples::write(target().name, Path::new(&dir)).expect("the examples can be written");
        }
    },
    |bytes: &[u8]| {
        target().check(bytes);
    }
);

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("DAB_FUZZ_TARGET").unwrap_or_default();
        let found = targets().into_iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("DAB_FUZZ_TARGET={name:?} is no target"))
    })
}
