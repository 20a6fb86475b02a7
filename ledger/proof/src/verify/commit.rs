//! A commit file against its leaf: size and digests first. Only then is it parsed, which costs more the larger it is.

use crate::commit_file::{COMMIT_BYTES_MAX, CommitFile};
use crate::error::Error;
use crate::leaf::{BodyDigest, Leaf};
use crate::report::count;
use crate::source::OpenFile;
use crate::text::hex_encode;

/// Bytes of the largest forged commit file that is still parsed, to say more about it than that it is forged.
pub const FORGED_COMMIT_BYTES_MAX: usize = 1 << 20;

/// What became of a body that was held against its leaf.
pub(crate) struct CheckedCommit {
    /// Whether it is the notarized one, byte for byte.
    pub(crate) genuine: bool,
    /// What it says, be it genuine or not; none when it cannot be parsed, or is forged and too large to be.
    pub(crate) commit: Option<CommitFile>,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
}

/// Checks the body that a leaf binds, and for a table what it says.
///
/// # Errors
/// `TooLarge` and `Unavailable` when it cannot be read.
pub(crate) fn check_commit(leaf: &Leaf, file: OpenFile<'_>) -> Result<CheckedCommit, Error> {
    let size = file.size;
    let unread = size != leaf.body.bytes && size > FORGED_COMMIT_BYTES_MAX as u64;
    let (body, difference) = if unread {
        (None, Some(size_difference(size, leaf.body.bytes)))
    } else {
        let body = file.read_whole("commit file", COMMIT_BYTES_MAX)?;
        let difference = difference(leaf, &body);
        (Some(body), difference)
    };
    let mut checked = CheckedCommit {
        genuine: difference.is_none(),
        commit: None,
        problems: Vec::new(),
    };
    if let Some(difference) = difference {
        let problem = format!("the commit file is not the notarized one: {difference}");
        checked.problems.push(problem);
    }
    let parsed = |body: &Vec<u8>| checked.genuine || body.len() <= FORGED_COMMIT_BYTES_MAX;
    let Some(body) = body.filter(parsed) else {
        let limit = count(FORGED_COMMIT_BYTES_MAX as u64, ["byte", "bytes"]);
        let problem = format!("what this commit file says was not looked at: it is forged and has more than {limit}");
        checked.problems.push(problem);
        return Ok(checked);
    };
    if leaf.subject.table_id().is_some() {
        match CommitFile::parse(&body) {
            Ok(commit) => {
                checked.problems.extend(contradictions(leaf, &commit));
                checked.commit = Some(commit);
            }
            Err(error) => checked.problems.push(error.to_string()),
        }
    }
    Ok(checked)
}

/// What in a commit contradicts its leaf: what it says about itself, and its files root.
fn contradictions(leaf: &Leaf, commit: &CommitFile) -> Vec<String> {
    let mut problems = Vec::new();
    match &commit.dab {
        None => problems.push("the commit has no commitInfo.dab".to_owned()),
        Some(dab) => {
            let stated = (dab.table_id.as_str(), dab.version, dab.previous);
            if stated != (leaf.subject.table_id().unwrap_or_default(), leaf.sequence, leaf.parent) {
                let problem = "commitInfo.dab names another table, version or previous leaf than the ledger";
                problems.push(problem.to_owned());
            }
        }
    }
    match commit.files_root() {
        Ok(root) if root == leaf.files => {}
        Ok(_) => problems.push("the list of added files is not the notarized one: its root differs".to_owned()),
        Err(error) => problems.push(error.to_string()),
    }
    problems
}

/// How a body differs from the one that the leaf binds; none when it is the same.
fn difference(leaf: &Leaf, body: &[u8]) -> Option<String> {
    match body.len() as u64 == leaf.body.bytes {
        true => digest_difference(&BodyDigest::of(body), &leaf.body),
        false => Some(size_difference(body.len() as u64, leaf.body.bytes)),
    }
}

/// How the digests of a body differ from those that the leaf binds; none when they are the same.
pub(super) fn digest_difference(found: &BodyDigest, expected: &BodyDigest) -> Option<String> {
    if found.bytes != expected.bytes {
        return Some(size_difference(found.bytes, expected.bytes));
    }
    let differs = |algorithm: &str, found: &[u8; 32], expected: &[u8; 32]| {
        (found != expected).then(|| {
            format!(
                "its {algorithm} is {} instead of {}",
                hex_encode(found),
                hex_encode(expected)
            )
        })
    };
    differs("BLAKE3", &found.blake3, &expected.blake3).or_else(|| differs("SHA-256", &found.sha256, &expected.sha256))
}

pub(super) fn size_difference(found: u64, expected: u64) -> String {
    format!("it has {found} bytes instead of {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Subject;
    use crate::testing::{TinyLedger, TinyTable};
    use crate::tree::LeafIndex;

    /// A leaf whose body has this many bytes.
    fn leaf(bytes: u64) -> Leaf {
        let mut ledger = TinyLedger::new();
        TinyTable::new("t").commit(&mut ledger, &[], &[]);
        let mut leaf = ledger.receipt(LeafIndex(0)).leaf.leaf().clone();
        leaf.body.bytes = bytes;
        leaf
    }

    #[test]
    fn file_of_another_size_is_not_read_when_it_is_large() {
        struct Untouchable;
        impl std::io::Read for Untouchable {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                panic!("it is forged, why read it?")
            }
        }
        for size in [FORGED_COMMIT_BYTES_MAX as u64 + 1, 200 << 20, u64::MAX] {
            let reader = Box::new(Untouchable);
            let checked = check_commit(&leaf(9), OpenFile { size, reader }).unwrap();
            assert!(!checked.genuine && checked.commit.is_none());
            assert!(checked.problems[0].ends_with(&format!("it has {size} bytes instead of 9")));
        }
    }

    #[test]
    fn forged_file_is_parsed_up_to_the_limit() {
        let forged = |bytes: usize| {
            let (begin, end) = (r#"{"commitInfo":{"x":""#, r#""}}"#);
            let forged = format!("{begin}{}{end}", "a".repeat(bytes - begin.len() - end.len()));
            check_commit(&leaf(9), forged.as_bytes().into()).unwrap()
        };
        assert!(forged(FORGED_COMMIT_BYTES_MAX).commit.is_some());
        assert!(forged(FORGED_COMMIT_BYTES_MAX + 1).commit.is_none());
    }

    #[test]
    fn large_file_of_the_right_size_is_not_parsed_when_its_digest_differs() {
        // one `[` too many for any parser of JSON: parsing it would be an error of its own
        let forged = vec![b'['; FORGED_COMMIT_BYTES_MAX + 1];
        let checked = check_commit(&leaf(forged.len() as u64), forged.as_slice().into()).unwrap();
        assert!(!checked.genuine && checked.commit.is_none());
        assert!(checked.problems[0].contains("its BLAKE3 is"), "{:?}", checked.problems);
        assert!(
            checked.problems[1].contains("was not looked at"),
            "{:?}",
            checked.problems
        );
        assert_eq!(checked.problems.len(), 2);
    }

    #[test]
    fn body_that_is_no_commit_is_held_against_its_digests_only() {
        let mut ledger = TinyLedger::new();
        ledger.append(&Subject::catalog(), b"record", None, "CREATE TABLE");
        let leaf = ledger.receipt(LeafIndex(0)).leaf.leaf().clone();
        let check = |body: &[u8]| check_commit(&leaf, body.into()).unwrap();
        assert!(check(b"record").genuine && check(b"record").problems.is_empty());
        assert_eq!(check(b"recorD").problems.len(), 1);
    }
}
