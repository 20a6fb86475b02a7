//! Who is trusted for what: the files of the trust directory, and the lists of replicas that it is made from.

use dab_ledger::founding::Founding;
use dab_ledger::members::{Candidate, Members};
use dab_ledger::testing::decoders;
use dab_proof::policy::Policy;
use dab_proof::tree::LeafIndex;
use dab_proof::trust::Trust;
use dab_proof::writers::{Writer, Writers, check_succession, number_revoked, revoke};

use crate::laws::settles;
use crate::papers::papers;
use crate::{Bound, Target};

/// Words are held one by one: short ones take more than their length.
const WORDS: Bound = Bound {
    base: 16 << 10,
    per_byte: 96,
};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "policy",
        decode: policy,
        bound: WORDS,
    },
    Target {
        name: "writers",
        decode: writers,
        bound: WORDS,
    },
    Target {
        name: "trust",
        decode: trust,
        bound: WORDS,
    },
    Target {
        name: "members",
        decode: members,
        bound: WORDS,
    },
    Target {
        name: "founding",
        decode: founding,
        bound: WORDS,
    },
    Target {
        name: "peer_key_file",
        decode: decoders::is_peer_key_file,
        bound: Bound::SMALL,
    },
];

fn policy(bytes: &[u8]) -> bool {
    let Ok(policy) = Policy::parse(bytes) else {
        return false;
    };
    assert!(policy.is_met_by(|_| true), "all cosigners together are not enough");
    assert_eq!(policy.is_met_by(|_| false), policy.needs_no_cosigner());
    let checkpoint = papers().ledger.checkpoint();
    if let Ok(certification) = policy.verify(&checkpoint) {
        assert!(policy.logs().iter().any(|log| log.key.name() == certification.log));
        assert_eq!(certification.alone, certification.cosigners.is_empty());
    }
    true
}

fn writers(bytes: &[u8]) -> bool {
    settles(bytes, |bytes| {
        let writers = Writers::parse(bytes).ok()?;
        let line = |writer: &Writer| {
            let found = writers.find(writer.name(), writer.key().key_id());
            assert!(found.is_some_and(|found| found.key() == writer.key()));
            let revoked = writer.revoked_from().map(|from| format!("revoked {from} "));
            let revoked = revoked.unwrap_or_default();
            format!("{revoked}{} {}\n", writer.key(), writer.globs().join(" "))
        };
        revocation(std::str::from_utf8(bytes).ok(), &writers);
        Some(writers.iter().map(line).collect::<String>())
    })
}

/// Every key that may write can be revoked, in place and for good.
fn revocation(text: Option<&str>, writers: &Writers) {
    let from = LeafIndex(7);
    for writer in writers.iter().filter(|writer| writer.revoked_from().is_none()) {
        // a comment may be of other octets
        let Some(text) = text else { return };
        let signed = revoke(text, writer.key()).expect("its line is there");
        assert!(Writers::parse(signed.as_bytes()).is_err(), "there is no index yet");
        let after = number_revoked(&signed, from);
        check_succession(text, &after, from).expect("nothing is taken away");
        assert!(check_succession(&after, text, from).is_err(), "a key comes back");
        let read = Writers::parse(after.as_bytes()).expect("only the line has changed");
        let read = read.find(writer.name(), writer.key().key_id());
        assert_eq!(read.and_then(Writer::revoked_from), Some(from));
    }
}

/// The three files, parted by zero bytes, which none of them may have.
fn trust(bytes: &[u8]) -> bool {
    let mut files = bytes.splitn(3, |byte| *byte == 0);
    let (policy, writers) = (files.next().unwrap_or_default(), files.next().unwrap_or_default());
    let ledger = files.next().and_then(|file| std::str::from_utf8(file).ok());
    let Ok(trust) = Trust::from_texts(policy, writers, ledger) else {
        return false;
    };
    let logs = trust.policy.logs().iter().map(|log| &log.key);
    let witnesses = trust.policy.witnesses().iter().map(|witness| &witness.key);
    let mut keys: Vec<_> = logs
        .chain(witnesses)
        .chain(trust.writers.iter().map(|writer| writer.key()))
        .collect();
    let count = keys.len();
    keys.sort_by_key(|key| *key.public_key());
    keys.dedup_by_key(|key| *key.public_key());
    assert_eq!(keys.len(), count, "a key has two roles");
    assert!(trust.ledger.is_none_or(|ledger| !ledger.contains(char::is_control)));
    true
}

fn members(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let candidate = |text: &str| text.parse::<Candidate>().ok().map(|candidate| candidate.to_string());
    let is_candidate = settles(bytes, |bytes| candidate(std::str::from_utf8(bytes).ok()?));
    let Ok(members) = text.parse::<Members>() else {
        return is_candidate;
    };
    assert_eq!(members.to_string().parse().as_ref(), Ok(&members));
    let (count, faulty, quorum) = (members.count(), members.faulty_max(), members.quorum());
    assert!(quorum <= count - faulty && 2 * quorum > count + faulty);
    true
}

fn founding(bytes: &[u8]) -> bool {
    settles(bytes, |bytes| {
        let founding = Founding::from_text(std::str::from_utf8(bytes).ok()?).ok()?;
        Some(founding.to_text())
    })
}
