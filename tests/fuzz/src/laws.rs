//! What decoders promise about spellings. `written` and `again` are what was accepted, written again.

/// A format with one spelling: what is accepted is written again as the same bytes.
pub(crate) fn one_spelling(bytes: &[u8], written: Option<impl AsRef<[u8]>>) -> bool {
    let Some(written) = written else { return false };
    let written = written.as_ref();
    assert!(
        written == bytes,
        "{:?} is written again as {:?}",
        String::from_utf8_lossy(bytes),
        String::from_utf8_lossy(written)
    );
    true
}

/// A format with several spellings, of which the one that is written is read as the same.
pub(crate) fn settles<W: AsRef<[u8]>>(bytes: &[u8], again: impl Fn(&[u8]) -> Option<W>) -> bool {
    let Some(written) = again(bytes) else { return false };
    let settled = again(written.as_ref()).map(|written| written.as_ref().to_vec());
    assert_eq!(
        settled.as_deref(),
        Some(written.as_ref()),
        "what is written is read as something else"
    );
    true
}
