//! Feeds the kept corpus to the decoders, as `tests/fuzz/run` found it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use dab_fuzz::{Target, examples, targets};

fn corpus() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus"))
}

/// Memory is counted for the whole process: what one test takes must not count for another's input.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The files of a folder, in order.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut files: Vec<_> = found.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Checks an input, and names it where a law breaks.
fn check(target: &Target, name: &Path, bytes: &[u8]) -> bool {
    let checked = std::panic::catch_unwind(|| target.check(bytes));
    checked.unwrap_or_else(|_| panic!("{} does not bear {}", target.name, name.display()))
}

#[test]
fn the_corpus_has_a_folder_for_each_target_and_nothing_else() {
    let folders: Vec<_> = files_in(corpus())
        .iter()
        .map(|folder| folder.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    let names: Vec<_> = targets().iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(folders, names);
}

/// Good and bad inputs are both in each target's own folder, or the corpus would show little.
#[test]
fn each_target_keeps_its_law_over_its_own_corpus_and_tells_good_from_bad() {
    let _alone = alone();
    for target in targets() {
        target.warm_up();
        let files = files_in(&corpus().join(target.name));
        let accepted = files.iter().filter(|path| check(&target, path, &read(path))).count();
        assert!(accepted > 0, "{} accepts no file of its corpus", target.name);
        assert!(
            accepted < files.len(),
            "{} accepts every file of its corpus",
            target.name
        );
    }
}

/// A file that is good for one decoder is a hostile one for the others.
#[test]
fn every_target_bears_the_corpus_of_the_others() {
    let _alone = alone();
    let corpus: Vec<_> = targets()
        .iter()
        .flat_map(|target| files_in(&corpus().join(target.name)))
        .map(|path| (read(&path), path))
        .collect();
    // a whole replica is started for each input of that target
    for target in targets().iter().filter(|target| target.name != "replica") {
        target.warm_up();
        for (bytes, path) in &corpus {
            check(target, path, bytes);
        }
    }
}

#[test]
fn each_target_accepts_an_example() {
    let _alone = alone();
    for target in targets() {
        target.warm_up();
        let examples = examples::of(target.name);
        let accepted = examples.iter().filter(|example| target.check(example)).count();
        assert!(
            accepted > 0,
            "{} accepts none of its {} examples",
            target.name,
            examples.len()
        );
    }
}
