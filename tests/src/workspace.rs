//! The checkout itself, for tests that look at the sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::command;

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in the workspace")
}

/// The files of the project, relative to [`root`]: what git tracks, and what it would track if it were added.
///
/// # Panics
/// Where this is no checkout, or git is not installed.
pub fn files() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    // A fresh clone may belong to somebody else than who runs the tests.
    git.args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(root());
    let listed = command::run(&mut git).expect_code(0).stdout;
    listed
        .lines()
        .map(PathBuf::from)
        .filter(|path| root().join(path).is_file())
        .collect()
}

/// Text of a file of the project.
///
/// # Panics
/// When it is not there or no text.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What `cargo metadata` says, for the platform that the tests run on.
pub fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            &host(),
        ]);
        let output = command::run(command.current_dir(root())).expect_code(0);
        serde_json::from_str(&output.stdout).expect("cargo metadata prints JSON")
    })
}

/// The host's target triple.
fn host() -> String {
    let said = command::run(Command::new("rustc").arg("-vV").current_dir(root()))
        .expect_code(0)
        .stdout;
    let triple = said.lines().find_map(|line| line.strip_prefix("host: "));
    triple.expect("rustc -vV names the host").to_owned()
}
