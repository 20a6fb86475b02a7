//! Keys, notes and what is signed.

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::hash::Hash;
use dab_proof::leaf::{Leaf, SignedLeaf, Subject};
use dab_proof::note::{NoteSignature, SignedNote, SigningKey, VerifierKey};

use crate::laws::one_spelling;
use crate::papers::papers;
use crate::{Bound, Target};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "key",
        decode: key,
        bound: Bound::SMALL,
    },
    Target {
        name: "note",
        decode: note,
        bound: Bound::SMALL,
    },
    Target {
        name: "leaf",
        decode: leaf,
        bound: Bound::SMALL,
    },
    Target {
        name: "checkpoint",
        decode: checkpoint,
        bound: Bound::SMALL,
    },
];

/// Keys, hashes and subjects: words that stand in other texts.
fn key(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let hex = Hash::from_hex(text).map(|hash| hash.to_hex());
    let accepted = [
        text.parse::<VerifierKey>().ok().map(|key| key.to_string()),
        SigningKey::from_text(text).ok().map(|key| key.to_text()),
        text.parse::<Hash>().ok().map(|hash| hash.to_string()),
        hex.ok(),
        text.parse::<Subject>().ok().map(|subject| subject.to_string()),
    ];
    // each of them keeps the law, not only the first that accepts
    let kept = accepted.map(|written| one_spelling(bytes, written));
    kept.contains(&true)
}

fn note(bytes: &[u8]) -> bool {
    if let Some(line) = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_suffix('\n')) {
        one_spelling(bytes, NoteSignature::parse(line).ok().map(|line| line.line()));
    }
    let Ok(mut note) = SignedNote::parse(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(note.to_bytes()));
    let papers = papers();
    let _ = note.verify("note", [papers.ledger.log.verifier(), papers.ledger.writer.verifier()]);
    // a line more is refused, or stands there when the note is read again
    let own = SignedNote::sign("one\n", &papers.ledger.log).expect("a good text");
    if note.add(own.signatures()[0].clone()).is_ok() {
        assert_eq!(SignedNote::parse(&note.to_bytes()).as_ref(), Ok(&note));
    }
    true
}

fn leaf(bytes: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes) {
        one_spelling(bytes, Leaf::parse(text).ok().map(|leaf| leaf.text()));
    }
    let Ok(signed) = SignedLeaf::from_bytes(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(signed.bytes()));
    assert_eq!(signed.leaf().text(), signed.text());
    let _ = signed.verify_new(&papers().trust.writers);
    true
}

fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(signed) = SignedCheckpoint::parse(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(signed.to_bytes()));
    let papers = papers();
    if let Ok(certification) = papers.trust.policy.verify(&signed) {
        // nobody has these keys, so only their own words count
        assert_eq!(certification.cosigners.len(), papers.ledger.cosigners.len());
        let size = signed.checkpoint().size;
        assert!(size <= papers.ledger.size(), "a tree of {size} leaves is certified");
        let own = papers.ledger.checkpoint_at(size);
        assert_eq!(signed.checkpoint(), own.checkpoint());
    }
    true
}
