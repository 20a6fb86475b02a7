//! Lines that shall be seen although the test that prints them passes: figures, seeds, what was skipped and why.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

/// Prints a line. The test runner keeps what `println!` prints to itself unless the test fails, so this goes past it.
pub fn say(line: impl AsRef<str>) {
    // One write, so that lines of tests that run at the same time do not mix. Nobody is left to tell when it fails.
    let _ = std::io::stderr().write_all(format!("    {}\n", line.as_ref()).as_bytes());
}

/// Says why a test does nothing on this machine, and notes it in the file `DAB_TEST_SKIPPED`, which `tests/run` shows at
/// its end.
///
/// # Panics
/// When that file cannot be written.
pub fn skip(test: &str, reason: &str) {
    say(format!("skipped {test}: {reason}"));
    if let Some(path) = std::env::var_os("DAB_TEST_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(format!("{test}: {reason}\n").as_bytes()))
            .expect("what is skipped can be noted");
    }
}

/// Whether a program can be run: it exists and ends with success.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
