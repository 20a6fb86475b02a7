//! The commands that we show: by what name this program can be run, and words that a shell reads as one.

use std::env;
use std::path::{Path, PathBuf};

/// What to type to run this very program again: `dab` where that finds it, else its path, below the current directory
/// where it lies there: whoever ran `cargo run` has no `dab` installed.
pub(crate) fn program() -> String {
    let Ok(this) = env::current_exe().and_then(|path| path.canonicalize()) else {
        return "dab".to_owned();
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join("dab"))
        .find(|file| file.is_file());
    let here = env::current_dir().and_then(|folder| folder.canonicalize()).ok();
    command(&this, found.and_then(|file| file.canonicalize().ok()), here.as_deref())
}

/// A path as a word of a shell's command line.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+,:@%=".contains(character);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn command(this: &Path, found: Option<PathBuf>, here: Option<&Path>) -> String {
    if found.is_some_and(|found| found == this) {
        return "dab".to_owned();
    }
    match here.and_then(|here| this.strip_prefix(here).ok()) {
        // A bare name would be looked for in PATH.
        Some(below) if below.components().count() == 1 => shell_word(&Path::new(".").join(below)),
        Some(below) => shell_word(below),
        None => shell_word(this),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_called_dab_only_where_that_finds_it() {
        let this = Path::new("/src/target/debug/dab");
        let check = |found: Option<&str>, here: &str, expected: &str| {
            let command = command(this, found.map(PathBuf::from), Some(Path::new(here)));
            assert_eq!(command, expected);
        };
        check(Some("/src/target/debug/dab"), "/src", "dab");
        check(Some("/usr/bin/dab"), "/src", "target/debug/dab");
        check(None, "/src", "target/debug/dab");
        check(None, "/src/target/debug", "./dab");
        check(None, "/elsewhere", "/src/target/debug/dab");
    }

    #[test]
    fn a_path_with_blanks_is_one_word() {
        for (path, word) in [
            ("dab-data/trust", "dab-data/trust"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }
}
