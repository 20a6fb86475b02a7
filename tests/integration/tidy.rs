//! What a reader of the sources may count on: short files, a word at the head of each, no loose ends, live links.

use std::path::{Component, Path, PathBuf};

use dab_tests::workspace::{self, files, read};

const LINES_MAX: usize = 500;

/// Endings of files whose text people read.
const TEXTS: [&str; 11] = [
    "rs", "md", "toml", "py", "sql", "slt", "txt", "java", "xml", "sh", "ipynb",
];

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .is_some_and(|ending| endings.iter().any(|one| ending == *one))
}

fn sources() -> impl Iterator<Item = PathBuf> {
    files().into_iter().filter(|path| has_ending(path, &["rs"]))
}

fn texts() -> impl Iterator<Item = PathBuf> {
    files().into_iter().filter(|path| has_ending(path, &TEXTS))
}

/// Fails with all complaints at once.
fn expect_none(complaints: &[String]) {
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

fn each_line(paths: impl Iterator<Item = PathBuf>, complain: impl Fn(&Path, &str) -> Option<String>) {
    let mut complaints = Vec::new();
    for path in paths {
        for (line, number) in read(&path).lines().zip(1..) {
            complaints
                .extend(complain(&path, line).map(|complaint| format!("{}:{number}: {complaint}", path.display())));
        }
    }
    expect_none(&complaints);
}

#[test]
fn no_source_file_is_too_long_to_be_read_in_one_sitting() {
    let lengths = files()
        .into_iter()
        .filter(|path| has_ending(path, &["rs", "py", "java"]))
        .map(|path| (read(&path).lines().count(), path));
    let long = lengths.filter(|(lines, _)| *lines > LINES_MAX);
    expect_none(
        &long
            .map(|(lines, path)| format!("{}: {lines} lines, at most {LINES_MAX}", path.display()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_source_file_says_at_its_head_what_it_is_for() {
    let mut complaints = Vec::new();
    // `mod tests;` says it all.
    for path in sources().filter(|path| path.file_name().is_none_or(|name| name != "tests.rs")) {
        let first = read(&path)
            .lines()
            .find(|line| !line.is_empty())
            .unwrap_or_default()
            .to_owned();
        if !first.starts_with("//!") {
            complaints.push(format!("{}: begins with {first:?} instead of //!", path.display()));
        }
    }
    expect_none(&complaints);
}

#[test]
fn no_line_ends_in_blanks() {
    each_line(texts().filter(|path| !has_ending(path, &["ipynb"])), |_, line| {
        line.ends_with([' ', '\t']).then(|| "ends in blanks".to_owned())
    });
}

#[test]
fn no_loose_ends_are_left_in_the_sources() {
    // Taken apart, so that this file does not complain about itself.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["HA", "CK"],
        ["unimple", "mented!("],
        ["to", "do!("],
        ["db", "g!("],
    ];
    let words: Vec<String> = words.iter().map(|halves| halves.concat()).collect();
    each_line(texts(), |_, line| {
        let whole = |word: &str| {
            line.match_indices(word).any(|(at, _)| {
                let is_letter =
                    |character: Option<char>| character.is_some_and(|one| one.is_alphanumeric() || one == '_');
                let ends = word.ends_with('(') || !is_letter(line[at + word.len()..].chars().next());
                ends && !is_letter(line[..at].chars().next_back())
            })
        };
        words
            .iter()
            .find(|word| whole(word))
            .map(|word| format!("{word}: finish it, or say in prose what is absent and why"))
    });
}

#[test]
fn no_path_of_somebody_s_machine_stands_in_the_project() {
    let homes = [
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
        ["/wo", "rk/"],
        ["C:\\", "Users"],
    ]
    .map(|halves| halves.concat());
    each_line(texts(), |_, line| {
        homes
            .iter()
            .find(|home| line.contains(home.as_str()))
            .map(|home| format!("a path of one machine: {home}"))
    });
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut complaints = Vec::new();
    for path in files().into_iter().filter(|path| has_ending(path, &["md"])) {
        let text = read(&path);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let beside = workspace::root()
                .join(path.parent().unwrap_or(Path::new("")))
                .join(file);
            if !beside.exists() {
                complaints.push(format!("{}: {target} is not there", path.display()));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn paths_that_documents_name_exist() {
    let mut complaints = Vec::new();
    let top: Vec<String> = files()
        .iter()
        .filter_map(|path| path.components().next())
        .filter_map(|first| match first {
            Component::Normal(name) => name.to_str().map(|name| format!("{name}/")),
            _ => None,
        })
        .collect();
    for path in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "GLOSSARY.md"] {
        for word in read(path).split('`').skip(1).step_by(2) {
            let is_path = top.iter().any(|folder| word.starts_with(folder.as_str()))
                && !word.contains([' ', '<', '*', '{', '…'])
                && !word.contains("://");
            // `storage/catalog` may mean a module: the folder below src counts as well.
            let (krate, rest) = word.split_once('/').unwrap_or((word, ""));
            let exists = |path: String| workspace::root().join(path).exists();
            if is_path && !exists(word.to_owned()) && !exists(format!("{krate}/src/{rest}")) {
                complaints.push(format!("{path}: `{word}` is not there"));
            }
        }
    }
    expect_none(&complaints);
}

#[test]
fn the_glossary_has_the_words_that_the_others_stand_on_in_order() {
    let glossary = read("GLOSSARY.md");
    let terms: Vec<&str> = glossary
        .lines()
        .filter_map(|line| line.strip_prefix("| **")?.split_once("**"))
        .map(|(term, _)| term)
        .collect();
    for due in [
        "leaf",
        "checkpoint",
        "receipt",
        "commit",
        "publish",
        "ratify",
        "stage",
        "subject",
        "sequence",
        "pin",
        "version",
    ] {
        assert!(terms.contains(&due), "the glossary does not explain {due:?}");
    }
    let lower: Vec<String> = terms.iter().map(|term| term.to_lowercase()).collect();
    assert!(lower.is_sorted(), "the glossary's terms are not in order: {terms:?}");
}

#[test]
fn the_papers_are_there() {
    for paper in [
        "README.md",
        "ARCHITECTURE.md",
        "GLOSSARY.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "deny.toml",
        "tests/README.md",
    ] {
        assert!(!read(paper).trim().is_empty(), "{paper} is empty");
    }
}
