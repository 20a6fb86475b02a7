//! Where dependencies come from and under which licences, as `deny.toml` states it.
//!
//! `cargo deny` checks the same and the advisories besides; it is no part of a Rust toolchain and fetches its database from
//! elsewhere, so what can be checked without it is checked here.

use std::collections::BTreeSet;

use dab_tests::workspace;
use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The strings of a list in `deny.toml`, by its key.
fn list(key: &str) -> BTreeSet<String> {
    let text = workspace::read("deny.toml");
    let opening = format!("\n{key} = [");
    let (_, rest) = text
        .split_once(&opening)
        .unwrap_or_else(|| panic!("deny.toml has no list {key}"));
    let (list, _) = rest
        .split_once("\n]")
        .unwrap_or_else(|| panic!("the list {key} does not end"));
    let strings = list.lines().filter(|line| !line.trim_start().starts_with('#'));
    strings
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect()
}

fn packages() -> impl Iterator<Item = &'static Value> {
    workspace::metadata()["packages"]
        .as_array()
        .expect("metadata lists packages")
        .iter()
}

/// Whether a licence expression (SPDX) can be met by the allowed ones: `OR` needs one side, `AND` both.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Old manifests write a slash for OR.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = expression.split_whitespace().peekable();
    let met = either(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'w> = std::iter::Peekable<std::str::SplitWhitespace<'w>>;

fn either(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= both(words, allowed);
    }
    met
}

fn both(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = either(words, allowed);
        return met && words.next() == Some(")");
    }
    let Some(licence) = words.next() else { return false };
    let licence = match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => format!("{licence} WITH {exception}"),
        None => licence.to_owned(),
    };
    allowed.contains(&licence)
}

#[test]
fn every_licence_in_the_tree_is_allowed() {
    let allowed = list("allow");
    let refused: Vec<String> = packages()
        .filter(|package| {
            !package["license"]
                .as_str()
                .is_some_and(|licence| is_met(licence, &allowed))
        })
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn every_dependency_comes_from_crates_io_and_none_from_git() {
    for package in packages() {
        let source = package["source"].as_str();
        assert!(
            source.is_none_or(|source| source == CRATES_IO),
            "{} comes from {source:?}",
            package["name"]
        );
    }
}

#[test]
fn each_exception_has_a_reason_and_an_end() {
    let text = workspace::read("deny.toml");
    let exceptions: Vec<&str> = text.lines().filter(|line| line.contains("id = \"RUSTSEC-")).collect();
    assert!(!exceptions.is_empty(), "the exceptions are written one a line");
    for exception in exceptions {
        let reason = exception
            .split_once("reason = \"")
            .map(|(_, rest)| rest)
            .unwrap_or_default();
        assert!(
            reason.len() > 30 && reason.contains("until 20"),
            "a reason and `until <date>`, please: {exception}"
        );
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("(GPL-3.0 OR MIT) AND Apache-2.0", true),
        ("GPL-3.0 OR MIT AND ISC", false),
        ("Apache-2.0 WITH LLVM-exception OR ISC", true),
        ("MIT MIT", false),
        ("", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression:?}");
    }
}
