//! Who writes from the beginning: the nodes, each with a key that may write everything.

use dab_proof::note::VerifierKey;

/// The text of `trust/writers` for these keys, each of which may write everything.
pub(crate) fn writers_text<'a>(writers: impl IntoIterator<Item = &'a VerifierKey>) -> String {
    let header = "# who may write which subjects: <key> <subject, * at its end for all that begin so>...\n";
    let lines = writers.into_iter().map(|writer| format!("{writer} *\n"));
    std::iter::once(header.to_owned()).chain(lines).collect()
}

/// The name of the writer of a node that certifies alone.
pub(crate) fn writer_name(origin: &str) -> String {
    format!("{origin}/writer")
}
