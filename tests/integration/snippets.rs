//! What the documents show is so: every snippet runs as it stands or says why no test runs it, and every command in the
//! prose has a verb and options that exist.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use dab_tests::command::{self, dab};
use dab_tests::server::Server;
use dab_tests::snippets::{Snippet, code_spans, commands, snippets};
use dab_tests::{binary, workspace};

const SHELLS: [&str; 3] = ["console", "sh", "bash"];
/// Languages of blocks that show something and are no program.
const SHOWN: [&str; 1] = ["text"];

/// Name and text of each document.
fn documents() -> Vec<(String, String)> {
    let files = workspace::files();
    let documents = files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    documents
        .map(|path| (path.display().to_string(), workspace::read(path)))
        .collect()
}

fn all_snippets() -> Vec<Snippet> {
    let found = documents().into_iter().flat_map(|(name, text)| snippets(&name, &text));
    found
        .filter(|snippet| !SHOWN.contains(&snippet.language.as_str()))
        .collect()
}

/// Runs a snippet in a folder where `dab` is in PATH and its data in ./dab-data, as the documents have it.
fn run(snippet: &Snippet, folder: &Path) {
    let bin = folder.join("bin");
    let path = std::env::join_paths(
        std::iter::once(bin).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut program = match snippet.language.as_str() {
        language if SHELLS.contains(&language) => {
            let mut shell = Command::new("bash");
            shell.args(["-euo", "pipefail", "-c", &snippet.text]);
            shell
        }
        "sql" => {
            let mut sql = Command::new(binary::dab());
            sql.args(["sql", "-c", &snippet.text]);
            sql
        }
        "python" => {
            let mut python = Command::new("python3");
            python.args(["-c", &snippet.text]);
            python
        }
        other => panic!("{}: nobody knows how to run {other:?}", snippet.place),
    };
    program.env("PATH", path.expect("no folder's name has a colon"));
    let output = command::run(command::without_settings(program).current_dir(folder));
    assert_eq!(
        output.code,
        Some(0),
        "{}\n{}\n{}",
        snippet.place,
        snippet.text,
        output.words()
    );
}

#[test]
fn every_snippet_runs_in_its_document_s_order_or_says_why_it_is_not_run() {
    let mut ran = Vec::new();
    for (name, text) in documents() {
        let runnable: Vec<Snippet> = snippets(&name, &text)
            .into_iter()
            .filter(|snippet| !SHOWN.contains(&snippet.language.as_str()) && snippet.not_run.is_none())
            .collect();
        if runnable.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
        std::fs::create_dir(folder.path().join("bin")).expect("a folder can be made");
        symlink(binary::dab(), folder.path().join("bin/dab")).expect("a link can be made");
        let server = Server::start(folder.path().join("dab-data"));
        for snippet in runnable {
            run(&snippet, folder.path());
            ran.push(snippet.place);
        }
        server.stop();
    }
    assert!(
        ran.iter().any(|place| place.starts_with("README.md")),
        "only {ran:?} ran"
    );
}

#[test]
fn a_snippet_that_is_not_run_has_a_reason_that_one_can_judge() {
    for snippet in all_snippets() {
        if let Some(reason) = snippet.not_run {
            assert!(reason.len() > 20, "{}: {reason:?} is no reason", snippet.place);
        }
    }
}

/// The verb's own words (`load file`) and what follows, of a line that runs `dab`.
fn dab_arguments(line: &str) -> Option<Vec<String>> {
    let words: Vec<String> = shell_words(line.split(" #").next().unwrap_or(line));
    let start = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["dab", _, ..] => 1,
        ["cargo", "run", ..] => words.iter().position(|word| word == "--")? + 1,
        _ => return None,
    };
    let end = words
        .iter()
        .position(|word| ["|", ">", "&&", ";", "&"].contains(&word.as_str()))
        .unwrap_or(words.len());
    Some(words[start..end].to_vec())
}

/// Words as a shell splits them, for lines with plain quotes.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, ' ') => words.push(String::new()),
            (_, other) => words.last_mut().expect("there is one").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_dab_command_in_the_documents_has_a_verb_and_options_that_exist() {
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for (document, text) in documents() {
        let blocks = snippets(&document, &text).into_iter();
        let shells = blocks.filter(|snippet| SHELLS.contains(&snippet.language.as_str()));
        let mut lines: Vec<String> = shells.flat_map(|snippet| commands(&snippet.text)).collect();
        lines.extend(code_spans(&text));
        for arguments in lines.iter().filter_map(|line| dab_arguments(line)) {
            let two = arguments
                .first()
                .is_some_and(|verb| ["load", "audit", "node"].contains(&verb.as_str()));
            let verb: Vec<String> = arguments.iter().take(if two { 2 } else { 1 }).cloned().collect();
            let help = helps.entry(verb.clone()).or_insert_with(|| {
                let output = dab(verb.iter().map(String::as_str).chain(["--help"]));
                assert_eq!(output.code, Some(0), "{document}: there is no `dab {}`", verb.join(" "));
                output.stdout
            });
            for option in arguments.iter().filter(|word| word.len() > 1 && word.starts_with('-')) {
                let name = option.split('=').next().unwrap_or(option);
                let known = help.split_whitespace().any(|word| word.trim_end_matches(',') == name);
                assert!(known, "{document}: `dab {}` has no {name}", verb.join(" "));
            }
        }
    }
    for verb in ["quickstart", "serve", "sql", "history", "prove", "verify"] {
        assert!(
            helps.contains_key(&vec![verb.to_owned()]),
            "no document shows `dab {verb}`"
        );
    }
}

#[test]
fn the_two_commands_of_the_readme_are_there() {
    let first = snippets("README.md", &workspace::read("README.md"));
    assert_eq!(commands(&first[0].text), ["cargo run -- quickstart", "tests/run"]);
    assert!(workspace::root().join("tests/run").is_file());
    let ci = workspace::read(".ci/run");
    let last = ci.lines().last().unwrap_or_default();
    assert_eq!(last, "exec tests/run", "CI runs what a newcomer runs");
}

#[test]
fn documents_are_taken_apart_as_their_readers_do() {
    let text = "Run `dab x`:\n<!-- not run by a test of its own: for a reason -->\n```console\n$ dab sql -c \"SELECT 1\" \\\n  | head\n```\n\n```\nno `language`\n```\n";
    let found = snippets("a.md", text);
    assert_eq!(
        (found[0].place.as_str(), found[0].language.as_str()),
        ("a.md:3", "console")
    );
    assert_eq!(found[0].not_run.as_deref(), Some("for a reason"));
    assert_eq!((found[1].language.as_str(), found[1].not_run.as_deref()), ("", None));
    assert_eq!(code_spans(text), ["dab x"]);
    let lines = commands(&found[0].text);
    assert_eq!(
        dab_arguments(&lines[0]).expect("it runs dab"),
        ["sql", "-c", "SELECT 1"]
    );
    assert_eq!(dab_arguments("dab"), None);
    let arguments = dab_arguments("cargo run -- quickstart --no-serve").expect("it runs dab");
    assert_eq!(arguments, ["quickstart", "--no-serve"]);
}
