//! Arrows between the crates point down one line, and heavy things stay where they belong.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use dab_tests::command;
use dab_tests::workspace;
use serde_json::Value;

/// Each crate of the line and those below it that it may know. `tests` stands beside the line.
const LINE: [(&str, &[&str]); 8] = [
    ("dab-proof", &[]),
    ("dab-ledger", &["dab-proof"]),
    ("dab-storage", &["dab-ledger", "dab-proof"]),
    ("dab-query", &["dab-storage", "dab-ledger", "dab-proof"]),
    ("dab-flight", &["dab-query", "dab-storage", "dab-ledger", "dab-proof"]),
    // It treats DAB as strangers do; only the auditor's verifier is called from inside.
    ("dab-tests", &["dab-proof"]),
    // It brings the ledger's core messages and time, so it stands inside.
    ("dab-simulation", &["dab-ledger", "dab-proof"]),
    // It brings the ledger's decoders anything, so it stands inside too.
    ("dab-fuzz", &["dab-ledger", "dab-proof"]),
];

/// Crates that lock together: two versions of one would mean two worlds of types.
const ONE_VERSION: [&str; 10] = [
    "arrow",
    "arrow-array",
    "arrow-flight",
    "arrow-schema",
    "buoyant_kernel",
    "datafusion",
    "deltalake-core",
    "object_store",
    "parquet",
    "tonic",
];

/// What the crates above know of the ledger: statements in, receipts out. Each has words of the other, so they count as one.
const LEDGER_FACES: [&str; 2] = ["notary", "reader"];

/// The most crates that an auditor has to build for `dab-verify`, itself included.
const VERIFIER_CRATES_MAX: usize = 40;

/// What must not be in the tree at all.
const ABSENT: [&str; 6] = ["aws-config", "openssl", "openssl-sys", "native-tls", "tch", "torch-sys"];

fn packages() -> &'static [Value] {
    workspace::metadata()["packages"]
        .as_array()
        .expect("metadata lists packages")
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a package has a name")
}

/// Names of everything that is compiled for a package when it is built by itself, itself included.
fn tree(root: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "tree",
        "--offline",
        "--locked",
        "-p",
        root,
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "-f",
        "{p}",
    ]);
    let printed = command::run(command.current_dir(workspace::root()))
        .expect_code(0)
        .stdout;
    // `name v1.2.3 (where it is)`: two versions of one crate are two crates.
    printed
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

fn names(tree: &BTreeSet<String>) -> BTreeSet<&str> {
    tree.iter().filter_map(|package| package.split(' ').next()).collect()
}

#[test]
fn each_crate_knows_only_crates_below_it() {
    let allowed: BTreeMap<&str, &[&str]> = LINE.into_iter().collect();
    let ours = packages().iter().filter(|package| package["source"].is_null());
    for package in ours {
        let below = allowed
            .get(name(package))
            .unwrap_or_else(|| panic!("{} stands nowhere in the line", name(package)));
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let known = name(dependency);
            // A crate's own tests may turn on its own features.
            if known.starts_with("dab-") && known != name(package) {
                assert!(below.contains(&known), "{} must not know {known}", name(package));
            }
        }
    }
}

/// A top module is one of the crate's root with all that is below it. Of those in a circle none can be read, tested or
/// replaced without all the others.
#[test]
fn the_top_modules_of_the_ledger_know_only_those_below_them() {
    let mut known = BTreeMap::<String, BTreeSet<String>>::new();
    for path in workspace::files() {
        let inside = path.strip_prefix("ledger/src").ok().and_then(|inside| inside.to_str());
        let Some(module) = inside.and_then(|inside| inside.strip_suffix(".rs")) else {
            continue;
        };
        if module == "lib" || module.split('/').any(|part| part.starts_with("test")) {
            continue;
        }
        let here = top_module(module.split('/').next().unwrap_or_default());
        let code = workspace::read(&path);
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let others = top_modules_named(code).into_iter().filter(|other| other != here);
        known.entry(here.to_owned()).or_default().extend(others);
    }
    assert!(known.len() > 30, "{} top modules: are they still found?", known.len());
    // who knows nobody that is left stands on the floor below it, whom nobody knows that is left on the one above: what stays
    // is a circle, and what lies between two
    loop {
        let left: BTreeSet<String> = known.keys().cloned().collect();
        let named: BTreeSet<String> = known.values().flatten().cloned().collect();
        known.retain(|module, others| named.contains(module) && others.iter().any(|other| left.contains(other)));
        known
            .values_mut()
            .for_each(|others| others.retain(|other| left.contains(other)));
        if known.len() == left.len() {
            break;
        }
    }
    assert!(known.is_empty(), "top modules in a circle: {known:#?}");
}

/// The top modules that this code names: `crate::module` and `crate::{module, module}`.
fn top_modules_named(code: &str) -> BTreeSet<String> {
    let code: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{} ", line.trim()))
        .collect();
    let named = code.split("crate::").skip(1).flat_map(|rest| {
        let Some(list) = rest.strip_prefix('{') else {
            return vec![rest.to_owned()];
        };
        assert!(
            !list.split('}').next().unwrap_or_default().contains('{'),
            "a list in a list: crate::{rest:.60}"
        );
        let list = list.split('}').next().unwrap_or_default();
        list.split(',').map(|name| name.trim().to_owned()).collect()
    });
    let word = |name: String| {
        let word = name
            .split(|letter: char| !(letter.is_alphabetic() || letter == '_'))
            .next()
            .unwrap_or_default();
        // the one thing that stands at the crate's root
        top_module(if word == "Error" { "error" } else { word }).to_owned()
    };
    named
        .map(word)
        .filter(|word| word.starts_with(char::is_lowercase))
        .collect()
}

fn top_module(name: &str) -> &str {
    if LEDGER_FACES.contains(&name) {
        LEDGER_FACES[0]
    } else {
        name
    }
}

#[test]
fn the_verifier_needs_few_crates_and_nothing_that_reads_tables() {
    let tree = tree("dab-proof");
    let names = names(&tree);
    assert!(tree.len() < VERIFIER_CRATES_MAX, "{} crates: {names:?}", tree.len());
    for name in names {
        let heavy = [
            "arrow",
            "parquet",
            "datafusion",
            "deltalake",
            "object_store",
            "tokio",
            "hyper",
            "rustls",
        ];
        assert!(
            !heavy.iter().any(|heavy| name.starts_with(heavy)),
            "dab-proof must not need {name}"
        );
    }
}

#[test]
fn only_the_service_speaks_grpc_and_only_storage_and_above_know_delta() {
    for (root, foreign) in [
        // the last three belong to its feature `node`, which the service turns on
        (
            "dab-ledger",
            &[
                "datafusion",
                "deltalake-core",
                "arrow",
                "tonic",
                "rcgen",
                "rustls",
                "tokio-rustls",
            ][..],
        ),
        ("dab-storage", &["arrow-flight", "tonic"]),
        ("dab-query", &["arrow-flight", "tonic"]),
    ] {
        let tree = tree(root);
        let names = names(&tree);
        for foreign in foreign {
            assert!(!names.contains(foreign), "{root} must not need {foreign}");
        }
    }
}

#[test]
fn crates_that_lock_together_are_there_once() {
    for due in ONE_VERSION {
        let versions: Vec<&str> = packages()
            .iter()
            .filter(|package| name(package) == due)
            .filter_map(|package| package["version"].as_str())
            .collect();
        assert_eq!(versions.len(), 1, "versions of {due}: {versions:?}");
    }
}

#[test]
fn no_cloud_kit_no_second_tls_and_no_torch_are_in_the_tree() {
    for package in packages() {
        let found = name(package);
        assert!(
            !ABSENT.contains(&found) && !found.starts_with("aws-sdk-"),
            "{found} is in the tree"
        );
    }
}
