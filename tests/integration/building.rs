//! What it takes to build DAB, and that what was built starts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use dab_tests::binary;
use dab_tests::command::{self, dab};
use dab_tests::offline::files_below;
use dab_tests::server::Server;
use dab_tests::workspace;
use serde_json::Value;
use tempfile::TempDir;

/// Programs that the build must do without.
const ABSENT: [&str; 2] = ["protoc", "cmake"];

/// The folder of a dependency's sources.
fn sources_of(name: &str) -> PathBuf {
    let packages = workspace::metadata()["packages"]
        .as_array()
        .expect("metadata lists packages");
    let package = packages
        .iter()
        .find(|package| package["name"] == name)
        .expect("it is a dependency");
    let manifest = Path::new(package["manifest_path"].as_str().expect("a package has a manifest"));
    manifest.parent().expect("a manifest lies in a folder").to_owned()
}

/// A folder with links to every program in PATH, but for those that shall not be there.
fn path_without(absent: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let path = std::env::var_os("PATH").expect("the tests have a PATH");
    let programs = std::env::split_paths(&path).filter_map(|folder| fs::read_dir(folder).ok());
    for program in programs.flatten().flatten() {
        let name = program.file_name();
        let link = folder.path().join(&name);
        let is_absent = absent.iter().any(|absent| name.to_string_lossy().starts_with(absent));
        // Of two programs of one name the first in PATH counts.
        if !is_absent && fs::symlink_metadata(&link).is_err() {
            symlink(program.path(), link).expect("a link can be made");
        }
    }
    folder
}

/// Files of this name below a folder.
fn named(folder: &Path, name: &str) -> Vec<PathBuf> {
    files_below(folder)
        .into_keys()
        .filter(|path| Path::new(path).file_name().is_some_and(|file| file == name))
        .map(|path| folder.join(path))
        .collect()
}

#[test]
fn what_needs_protoc_builds_from_nothing_where_neither_protoc_nor_cmake_is_installed() {
    let (path, target) = (
        path_without(&ABSENT),
        tempfile::tempdir().expect("a folder can be made"),
    );
    let without_them = |program: &Path| {
        let mut command = Command::new(program);
        command.env("PATH", path.path()).env_remove("PROTOC");
        command
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = without_them(Path::new(&cargo));
    build.current_dir(workspace::root());
    build.args(["build", "--locked", "--offline", "-p", "raft-proto", "--target-dir"]);
    command::run(build.arg(target.path())).expect_code(0);
    let generated = named(&target.path().join("debug").join("build"), "eraftpb.rs");
    assert_eq!(generated.len(), 1, "the messages were generated: {generated:?}");

    // The same build script with a protoc that is not there: it was protoc that generated them.
    let scripts = named(&target.path().join("debug").join("build"), "build-script-build");
    let script = scripts
        .iter()
        .find(|path| path.display().to_string().contains("/raft-proto-"));
    let mut again = without_them(script.expect("raft-proto has a build script"));
    again.env("CARGO_MANIFEST_DIR", sources_of("raft-proto"));
    again
        .env("OUT_DIR", path.path())
        .env("PROTOC", path.path().join("protoc"));
    let refused = command::run(&mut again);
    assert_ne!(refused.code, Some(0), "it needs no protoc, so this test shows nothing");
}

#[test]
fn the_script_takes_the_protoc_of_protobuf_build_alone_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let (registry, scratch) = (folder.path().join("registry"), folder.path().join("scratch"));
    fs::create_dir_all(registry.join("raft-proto")).expect("a folder can be made");
    fs::create_dir_all(&scratch).expect("a folder can be made");
    // Crates whose names only begin alike come first in the alphabet; each carries a program that says who it is.
    let carried = |package: &str, mode: u32| {
        let bin = registry.join(package).join("bin");
        fs::create_dir_all(&bin).expect("a folder can be made");
        for platform in [
            "linux-x86_64",
            "linux-aarch_64",
            "linux-ppcle_64",
            "linux-x86_32",
            "osx-x86_64",
        ] {
            let program = bin.join(format!("protoc-{platform}"));
            fs::write(&program, format!("#!/bin/sh\necho {package} $0\n")).expect("a file can be written");
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).expect("a mode can be set");
        }
    };
    carried("protobuf-build-extra-1.0.0", 0o755);
    // Unpacked without the executable bit, as on some systems.
    carried("protobuf-build-0.14.1", 0o644);
    let mut protoc = Command::new(workspace::root().join(".cargo").join("protoc"));
    protoc
        .env("CARGO_MANIFEST_DIR", registry.join("raft-proto"))
        .env_remove("OUT_DIR");
    let output = command::run(protoc.env("TMPDIR", &scratch)).expect_code(0);
    assert!(
        output.stdout.starts_with("protobuf-build-0.14.1 "),
        "{}",
        output.words()
    );
    assert!(
        output.stdout.contains(&scratch.display().to_string()),
        "run from a copy: {}",
        output.words()
    );
    let left: Vec<_> = files_below(&scratch).into_keys().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn raft_decodes_with_the_safe_codec() {
    // RUSTSEC-2024-0437: protobuf 2.28 can be made to overflow the stack. It is in the tree, but decodes nothing.
    let nodes = workspace::metadata()["resolve"]["nodes"]
        .as_array()
        .expect("metadata resolves");
    for name in ["raft", "raft-proto"] {
        let id = format!("#{name}@");
        let node = nodes
            .iter()
            .find(|node| node["id"].as_str().is_some_and(|found| found.contains(&id)));
        let features: Vec<&str> = node.map(features_of).expect("it is a dependency");
        assert!(features.contains(&"prost-codec"), "{name}: {features:?}");
        assert!(!features.contains(&"protobuf-codec"), "{name}: {features:?}");
    }
}

fn features_of(node: &Value) -> Vec<&str> {
    node["features"]
        .as_array()
        .map(|features| features.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_program_that_speaks_tls_starts_and_is_understood() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let server = Server::start(folder.path().join("data"));
    assert!(
        server.url().starts_with("grpc+tls://"),
        "TLS is the default: {}",
        server.url()
    );
    // a client that is not ours, over Flight
    assert_eq!(server.connect().await.integer("SELECT 1").await.expect("a query"), 1);
    // our own client, over Flight
    server
        .dab(&["sql", "-c", "CREATE TABLE t AS SELECT 1 AS x"])
        .expect_code(0);
    // our own client, over https
    let trust = server.data().join("trust").display().to_string();
    let (url, table) = (server.audit_url(), server.table("t").display().to_string());
    dab(["audit", "ledger", &url, "--trust", &trust]).expect_code(0);
    dab(["audit", "table", &table, "--trust", &trust, "--ledger", &url, "--deep"]).expect_code(0);
    server.stop();
}

#[test]
fn the_auditor_s_binary_starts_and_is_small() {
    let output = command::run(Command::new(binary::dab_verify()).arg("--help")).expect_code(0);
    assert!(output.stdout.contains("--trust"), "{}", output.stdout);
    let bytes = |path: PathBuf| fs::metadata(path).expect("it was built").len();
    let (small, large) = (bytes(binary::dab_verify()), bytes(binary::dab()));
    assert!(small * 4 < large, "dab-verify has {small} bytes, dab {large}");
}
