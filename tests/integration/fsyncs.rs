//! What a notarized append costs in fsyncs, counted by strace, beside what the files that it leaves would cost a plain
//! writer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use dab_tests::say::{say, skip, works};
use dab_tests::server::Launch;

/// What the notary may add to it.
const FURTHER_FSYNCS_MAX: usize = 2;
const APPENDS: usize = 8;
const TEST: &str = "fsyncs";

#[tokio::test(flavor = "multi_thread")]
async fn a_notarized_append_costs_at_most_two_fsyncs_more_than_a_plain_one() {
    let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
    let trace = folder.path().join("trace");
    let trace_path = trace.display().to_string();
    if !works("strace", &["-D", "-o", "/dev/null", "true"]) {
        return skip(TEST, "strace is not installed, or may not trace here");
    }
    // -D: strace is the tracer in the background, and the process id is that of `dab`.
    let calls = "trace=fsync,fdatasync,sync_file_range,syncfs,sync,msync";
    let strace = [
        "strace",
        "-D",
        "-f",
        "-qq",
        "-y",
        "-e",
        calls,
        "-e",
        "signal=none",
        "-o",
        &trace_path,
    ];
    let data = folder.path().join("data");
    let server = Launch::new(&data).under(&strace).start();
    let mut client = server.connect().await;
    client
        .update("CREATE TABLE t (id BIGINT)")
        .await
        .expect("a table can be made");
    client
        .update("INSERT INTO t VALUES (0)")
        .await
        .expect("rows can be added");

    let table = data.join("tables").join("t");
    let (mut there, mut plain) = (files_below(&table), 0);
    let before = synced(&trace).len();
    for append in 1..=APPENDS {
        client
            .update(&format!("INSERT INTO t VALUES ({append})"))
            .await
            .expect("rows can be added");
        let now = files_below(&table);
        plain += plain_fsyncs(now.difference(&there));
        there = now;
    }
    let after = synced(&trace);
    server.stop();

    let appended = &after[before..];
    say(format!(
        "{} fsyncs for {APPENDS} appends, {plain} for plain ones; those of the first:",
        appended.len()
    ));
    let first = appended.len().div_ceil(APPENDS).min(appended.len());
    appended[..first].iter().for_each(|call| say(format!("  {call}")));
    let most = plain + APPENDS * FURTHER_FSYNCS_MAX;
    assert!(appended.len() <= most, "more than {most}:\n{}", appended.join("\n"));
    assert!(
        plain > 0 && appended.len() >= plain,
        "fewer than a durable append needs:\n{}",
        appended.join("\n")
    );
}

/// What a plain append of these files needs to be durable: each file, and each folder that names one of them.
fn plain_fsyncs<'a>(added: impl Iterator<Item = &'a PathBuf>) -> usize {
    let added: Vec<_> = added.collect();
    let folders: BTreeSet<_> = added.iter().filter_map(|path| path.parent()).collect();
    added.len() + folders.len()
}

/// All files in a folder and the folders in it.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).expect("the table has a folder");
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    let below = |path: PathBuf| match path.is_dir() {
        true => files_below(&path),
        false => BTreeSet::from([path]),
    };
    paths.flat_map(below).collect()
}

/// The copy of the ledger's public files, which follows beside the commits.
const PUBLIC_COPY: &str = "tables/_ledger";

/// The calls so far but for those of the public copy, each with what it synced: `fdatasync private/raft/0000.segment`.
fn synced(trace: &Path) -> Vec<String> {
    let text = fs::read_to_string(trace).expect("strace writes its file");
    let began = text.lines().filter(|line| !line.contains("resumed>"));
    began
        .filter_map(|line| {
            let (_, call) = line.split_once(' ')?;
            let (name, arguments) = call.trim_start().split_once('(')?;
            let path = arguments
                .split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .map_or("", |(path, _)| path);
            let below_data = path.split_once("/data/").map_or(path, |(_, below)| below);
            Some((name.to_owned(), below_data.to_owned()))
        })
        .filter(|(_, path)| !path.starts_with(PUBLIC_COPY))
        .map(|(name, path)| format!("{name} {path}"))
        .collect()
}
