//! Where the binaries under test are.

use std::env;
use std::path::{Path, PathBuf};

/// The binary `dab`: `DAB_BINARY` where that is set, else the one beside the running test.
///
/// # Panics
/// When there is none. Cargo builds no binaries of another package for a test, so `tests/run` does it first.
pub fn dab() -> PathBuf {
    locate("DAB_BINARY", "dab")
}

/// The auditor's small verifier: `DAB_VERIFY_BINARY` where that is set, else `dab-verify` beside `dab`.
///
/// # Panics
/// When there is none.
pub fn dab_verify() -> PathBuf {
    locate("DAB_VERIFY_BINARY", "dab-verify")
}

/// What builds the binaries with the same features as the tests.
pub const BUILD_COMMAND: &str = "cargo build --workspace --bins --tests --features dab-flight/crash_points";

fn locate(variable: &str, name: &str) -> PathBuf {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => beside_this_test().join(name),
    };
    assert!(
        path.is_file(),
        "there is no {}: run `{BUILD_COMMAND}`, or set {variable}",
        path.display()
    );
    path
}

/// `target/debug` of a test that runs as `target/debug/deps/integration-<hash>`.
fn beside_this_test() -> PathBuf {
    let test = env::current_exe().expect("a running program has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("a test lies two folders deep");
    profile.to_owned()
}
