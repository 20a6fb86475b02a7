//! The files of a commit: which paths are allowed, and the root over them.

use super::WHAT;
use crate::error::Error;
use crate::hash::leaf_hash;
use crate::leaf::FilesRoot;
use crate::text::hex_encode;
use crate::tree::Frontier;

/// A data file as the files root binds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// Path as it stands in the `add` action.
    pub path: String,
    /// Bytes of the file.
    pub size: u64,
    /// BLAKE3 of the file.
    pub blake3: [u8; 32],
}

/// Root over files in any order; none for no files.
///
/// # Errors
/// `Malformed` for a path outside the table's folder, or one that stands twice.
pub fn files_root(files: &[FileDigest]) -> Result<Option<FilesRoot>, Error> {
    for file in files {
        check_path(&file.path)?;
    }
    let mut sorted: Vec<_> = files.iter().map(|file| (file.line(), &file.path)).collect();
    sorted.sort();
    let mut paths: Vec<_> = files.iter().map(|file| &file.path).collect();
    paths.sort();
    if let Some(pair) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::malformed(WHAT, format!("it adds {} twice", pair[0])));
    }
    let mut tree = Frontier::new();
    sorted.iter().for_each(|(line, _)| tree.push(leaf_hash(line)));
    Ok((!files.is_empty()).then(|| FilesRoot {
        root: tree.root(),
        count: tree.size().0,
    }))
}

impl FileDigest {
    /// The line that is hashed as a leaf of the files root.
    fn line(&self) -> Vec<u8> {
        format!("{}\0{}\0{}\n", self.path, self.size, hex_encode(&self.blake3)).into_bytes()
    }
}

/// Refuses a path that could lead outside the table's folder or be read in two ways: absolute ones, URLs, `..`
/// (percent-encoded too), empty segments, backslashes and control characters.
///
/// # Errors
/// `Malformed`.
pub fn check_path(path: &str) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::malformed(WHAT, format!("path {path:?} {why}")));
    let Some(decoded) = percent_decode(path) else {
        return refused("does not decode to UTF-8");
    };
    for spelling in [path, decoded.as_str()] {
        if spelling.contains(|character: char| character.is_control() || character == '\\') {
            return refused("has a control character or a backslash");
        }
        if has_scheme(spelling) {
            return refused("is a URL, not a path below the table");
        }
        if spelling.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return refused("is absolute or has an empty, . or .. segment");
        }
    }
    Ok(())
}

/// The name under which the store keeps the file: the action's path, percent-decoded once.
///
/// # Errors
/// `Malformed` for a path that `check_path` refuses.
pub fn storage_path(path: &str) -> Result<String, Error> {
    check_path(path)?;
    percent_decode(path).ok_or_else(|| Error::malformed(WHAT, format!("path {path:?} does not decode to UTF-8")))
}

/// Whether the text begins like a URL: a letter, then letters, digits, `+`, `-` or `.`, then a colon.
fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

/// Decodes `%XX`; a percent sign without two hex digits stands for itself, as in URLs.
fn percent_decode(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        let digits = bytes
            .get(position + 1..position + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped = digits.filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match escaped.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) if byte == b'%' => {
                decoded.push(value);
                position += 3;
            }
            _ => {
                decoded.push(byte);
                position += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::node_hash;

    fn file(path: &str) -> FileDigest {
        FileDigest {
            path: path.into(),
            size: 7,
            blake3: [0xab; 32],
        }
    }

    #[test]
    fn root_is_over_sorted_lines() {
        let line = |path: &str| leaf_hash(format!("{path}\0{}\0{}\n", 7, "ab".repeat(32)).as_bytes());
        let root = files_root(&[file("b"), file("a")]).unwrap().unwrap();
        assert_eq!((root.root, root.count), (node_hash(&line("a"), &line("b")), 2));
        assert_eq!(files_root(&[]).unwrap(), None);
        assert!(files_root(&[file("a"), file("a")]).is_err());
        assert!(files_root(&[file("a"), FileDigest { size: 8, ..file("a") }]).is_err());
    }

    #[test]
    fn paths_outside_the_table_are_refused() {
        for path in [
            "", "/a", "a//b", "a/", "./a", "../a", "a/../b", "a/..", "%2e%2e/a", "a/%2E./b", "..%2fa", "%2fa",
            "a%2f%2fb", "s3://b/a", "file:a", "C:a", "C%3Aa", "a\\b", "a%5cb", "a\0b", "a%00b", "a\nb", "%ff",
        ] {
            assert!(check_path(path).is_err(), "{path:?}");
        }
        for path in [
            "a",
            "a.parquet",
            "p=1/a",
            "p=a%2520b/c",
            "t=10:20/a",
            "t=10%3A20/a",
            "100%",
            "...",
            "%252e%252e/a",
        ] {
            check_path(path).unwrap();
        }
        assert_eq!(storage_path("p=a%2520b/é%20c").unwrap(), "p=a%20b/é c");
    }
}
