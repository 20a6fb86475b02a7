//! The raft log on a disk that brings anything: a torn tail is cut, what is corrupt is refused, nothing is made up.

use dab_ledger::testing::decoders::{raft_log_twice, raft_segment, seal_raft_segment};

use crate::{Bound, Target};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "raft_log",
    decode: raft_log,
    // the disk in memory holds a file twice, and each reading of it again; a record of 37 bytes is an entry of some
    // hundred
    bound: Bound {
        base: 64 << 10,
        per_byte: 64,
    },
}];

/// The first byte says whether the checksums are made right first.
fn raft_log(bytes: &[u8]) -> bool {
    let Some((sealed, bytes)) = bytes.split_first() else {
        return false;
    };
    let mut segment = bytes.to_vec();
    if sealed & 1 == 1 {
        seal_raft_segment(&mut segment);
    }
    let (torn, whole) = (raft_segment(&segment, true), raft_segment(&segment, false));
    if let Ok(kept) = &torn {
        assert!(segment.starts_with(kept), "the batches are not what was there");
        // where nothing is cut, it does not matter whether something might have been
        assert_eq!(whole.is_ok(), kept.len() == segment.len());
    }
    assert!(whole.is_err() || torn.is_ok());
    let Ok([first, second]) = raft_log_twice(&segment) else {
        return false;
    };
    assert!(torn.is_ok(), "what is corrupt was read");
    assert_eq!(first, second, "the next restart finds something else");
    assert!((first.base..=first.base + first.terms.len() as u64).contains(&first.committed));
    true
}
