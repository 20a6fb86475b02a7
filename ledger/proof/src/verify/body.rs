//! A file that is no table's commit against its leaf: of any size, and never held in memory.

use super::commit::{digest_difference, size_difference};
use crate::leaf::{Leaf, Subject};
use crate::report::{Finding, Report};
use crate::source::OpenFile;

/// Checks the bytes that the leaf binds; those of the wrong number are not read.
pub(super) fn check(report: &mut Report, leaf: &Leaf, file: OpenFile<'_>) {
    let expected = &leaf.body;
    let difference = match file.size == expected.bytes {
        false => Some(size_difference(file.size, expected.bytes)),
        true => match file.body_digest() {
            Ok(found) => digest_difference(&found, expected),
            Err(error) => {
                report.doubt(Finding::new(format!("the file cannot be read: {error}")));
                return;
            }
        },
    };
    match difference {
        None => report.check(format!("the file's {} bytes, their BLAKE3 and SHA-256", expected.bytes)),
        Some(how) => report.fail(Finding::new(format!("the file is not the notarized one: {how}"))),
    }
}

/// Holds the subject of a receipt against the one that was asked for.
pub(super) fn check_name(report: &mut Report, subject: &Subject, expected: &Subject) {
    match subject == expected {
        true => report.check(format!("the subject is {expected}, as asked for")),
        false => report.fail(Finding::new(format!(
            "the receipt is for subject {subject}, not {expected}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use crate::leaf::Subject;
    use crate::report::Verdict;
    use crate::source::OpenFile;
    use crate::testing::TinyLedger;
    use crate::verify::{Artefacts, verify};

    struct Untouchable;

    impl std::io::Read for Untouchable {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("touched"))
        }
    }

    #[test]
    fn a_file_is_held_against_size_and_both_digests_and_the_subject_against_the_one_asked_for() {
        let mut ledger = TinyLedger::new();
        let subject: Subject = "digest/backup".parse().unwrap();
        let index = ledger.append(&subject, b"the backup", None, "NOTARIZE");
        let receipt = ledger.receipt(index).to_text();
        let check = |body: Option<OpenFile<'_>>, expected: &str| {
            let artefacts = Artefacts {
                body,
                subject: Some(expected.parse().unwrap()),
                ..Artefacts::default()
            };
            verify(receipt.as_bytes(), &ledger.trust(), artefacts)
        };
        let bytes = |bytes: &'static [u8]| Some(OpenFile::from(bytes));
        let untouchable = |size| {
            let reader = Box::new(Untouchable);
            Some(OpenFile { size, reader })
        };
        for (body, expected, verdict, words) in [
            (
                bytes(b"the backup"),
                "digest/backup",
                Verdict::Valid,
                "the file's 10 bytes",
            ),
            (bytes(b"the backuq"), "digest/backup", Verdict::Invalid, "its BLAKE3 is"),
            (
                bytes(b"the backup"),
                "digest/backups",
                Verdict::Invalid,
                "not digest/backups",
            ),
            // a file of another size costs nothing, however large
            (
                untouchable(u64::MAX),
                "digest/backup",
                Verdict::Invalid,
                "instead of 10",
            ),
            (untouchable(10), "digest/backup", Verdict::Undecided, "touched"),
            (None, "digest/backup", Verdict::Valid, "give the file"),
        ] {
            let report = check(body, expected);
            assert_eq!(report.verdict(), verdict, "{report}");
            assert!(report.to_string().replace("\n    ", " ").contains(words), "{report}");
        }
    }
}
