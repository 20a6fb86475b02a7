//! Signatures made by others, in the wild and in the specifications, are accepted; ours have the same bytes.

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::note::{SignedNote, SigningKey, VerifierKey};
use dab_proof::tree::TreeSize;

fn verify(note: &str, vkey: &str) -> Option<Option<u64>> {
    let key: VerifierKey = vkey.parse().unwrap();
    let note = SignedNote::parse(note.as_bytes()).unwrap();
    let signed = note.verify("note", [&key]).unwrap();
    signed.first().map(|signed| signed.time_unix_s)
}

#[test]
fn note_of_the_signed_note_specification_verifies() {
    let note = "This is an example message.\n\n\
        — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    assert!(
        verify(
            note,
            "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
        )
        .is_some()
    );
}

#[test]
fn note_of_the_go_documentation_verifies_and_is_signed_to_the_same_bytes() {
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let line =
        "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let note = format!("{text}\n{line}");
    assert!(
        verify(
            &note,
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        )
        .is_some()
    );
    let secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    let key = SigningKey::from_text(secret).unwrap();
    assert_eq!(key.to_text(), secret);
    assert_eq!(SignedNote::sign(text, &key).unwrap().to_bytes(), note.as_bytes());
}

#[test]
fn cosignature_of_a_public_witness_verifies() {
    // a checkpoint of a Certificate Transparency log, cosigned by a witness of the public network
    let note = "coachandhorses2026h1.staging.certificate.transparency.goog\n\
        185550722\n\
        YXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=\n\
        \n\
        — coachandhorses2026h1.staging.certificate.transparency.goog MpXgsHy8ZwxXnO+WjtVrPxAzL49Rs1gWTkNVNeEa//5peAzao\
        cRCB3qt3EaibjzY5GILLtGgBP7dBhgcSHy+JQh0OAc=\n\
        — witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7\
        dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==\n";
    let witness = "witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G";
    assert_eq!(verify(note, witness), Some(Some(0x6a6f_b0f3)));
    let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    assert_eq!(signed.checkpoint().size, TreeSize(185_550_722));
    // under another time the same signature is wrong
    let later = note.replace("AAAABqb7DzN", "AAAABqb7D0N");
    assert_ne!(later, note);
    let key: VerifierKey = witness.parse().unwrap();
    assert!(
        SignedNote::parse(later.as_bytes())
            .unwrap()
            .verify("note", [&key])
            .is_err()
    );
}
