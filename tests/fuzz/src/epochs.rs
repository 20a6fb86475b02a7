//! Changes of who certifies and who writes: as members hand them to one another, and as whoever follows a ledger is given them.

use dab_ledger::testing::decoders;
use dab_proof::epoch::{EpochChange, EpochNote, EpochText, follow_changes, parse_changes};
use dab_proof::testing::{ORIGIN, TinyLedger};
use dab_proof::tree::LeafIndex;
use dab_proof::writers::{Writers, check_succession};

use crate::laws::one_spelling;
use crate::papers::papers;
use crate::{Bound, Target};

/// Words of policy and writers are held one by one, and a change is made once more to be compared.
const TEXTS: Bound = Bound {
    base: 64 << 10,
    per_byte: 192,
};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "epoch",
        decode: epoch,
        bound: TEXTS,
    },
    Target {
        name: "epoch_changes",
        decode: epoch_changes,
        bound: TEXTS,
    },
];

/// The epoch of a node that certifies alone.
pub(crate) fn now() -> EpochText {
    let ledger = TinyLedger::new();
    EpochText {
        origin: ORIGIN.to_owned(),
        members: String::new(),
        policy: ledger.policy_text(),
        writers: ledger.writers_text(),
    }
}

fn epoch(bytes: &[u8]) -> bool {
    let Ok(note) = EpochNote::parse(bytes) else {
        return false;
    };
    one_spelling(bytes, Some(note.to_bytes()));
    let (now, next) = (now(), note.text());
    assert_eq!(EpochText::parse(next.text().as_bytes()).as_ref(), Ok(next));
    let begun = next.begun_by(LeafIndex(7));
    assert_eq!(begun.begun_by(LeafIndex(9)), begun, "an index is written once");
    if decoders::may_follow(&now, next) {
        check_succession(&now.writers, &begun.writers, LeafIndex(8)).expect("nothing is taken away");
        let writers = Writers::parse(begun.writers.as_bytes()).expect("what may follow can be read");
        assert!(writers.iter().count() <= 2, "at most one key is registered");
        assert_eq!((&next.members, &next.origin), (&now.members, &now.origin));
    }
    true
}

fn epoch_changes(bytes: &[u8]) -> bool {
    let Ok(changes) = parse_changes(bytes) else {
        return false;
    };
    let texts = changes.iter().map(EpochChange::to_text);
    one_spelling(bytes, Some(texts.collect::<String>()));
    let ledger = &papers().ledger;
    let (policy, writers) = (ledger.policy_text(), ledger.writers_text());
    if let Ok(steps) = follow_changes(policy.as_bytes(), writers.as_bytes(), None, &changes) {
        // nobody has these keys, and the ledger has not changed
        assert!(steps.is_empty(), "a change that nobody has certified is followed");
    }
    true
}
