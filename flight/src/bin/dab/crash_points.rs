//! Holds the process at a named place until it is killed, for the crash tests (feature `crash_points`).
//!
//! `DAB_CRASH_POINT` names the place, such as `commit::ratified`. `DAB_CRASH_ARMED` names a file: as long as it is not
//! there, the process passes the place, so that a node can start and do other work first. With `DAB_CRASH_PANIC` set, the
//! thread that comes by panics instead: a part of the node fails, and the rest has to cope.

use std::path::PathBuf;
use std::{env, thread};

/// Reads the variables. Without the first, nothing is ever held.
pub(crate) fn install() {
    let Ok(point) = env::var("DAB_CRASH_POINT") else { return };
    let armed = env::var_os("DAB_CRASH_ARMED").map(PathBuf::from);
    let panics = env::var_os("DAB_CRASH_PANIC").is_some();
    let name = point.clone();
    let hold = move || {
        if armed.as_ref().is_none_or(|armed| armed.exists()) {
            eprintln!("at crash point {name}");
            assert!(!panics, "planted at {name}");
            loop {
                thread::park();
            }
        }
    };
    fail::cfg_callback(point, hold).expect("a callback is always accepted");
}
