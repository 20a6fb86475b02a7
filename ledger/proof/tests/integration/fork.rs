//! `dab-verify fork`, as somebody runs it who was handed two checkpoints.

use dab_proof::fork::{FORK_PROOF_BYTES_MAX, ForkProof};
use dab_proof::leaf::Subject;
use dab_proof::testing::TinyLedger;
use dab_proof::tree::TreeSize;

use crate::world::World;

/// Beside the world's ledger of three leaves, one of five that its key signed too.
fn forked() -> World {
    let world = World::new();
    let mut forged = TinyLedger::new();
    for leaf in 0..5_u8 {
        forged.append(&Subject::catalog(), &[leaf], None, "FORGED");
    }
    for (path, bytes) in forged.public().files {
        world.write(&format!("forged/{path}"), &bytes);
    }
    world.write("forged.3", &forged.checkpoint_at(TreeSize(3)).to_bytes());
    let newer = forged.checkpoint();
    let proof = ForkProof::from_tiles(TreeSize(3), newer.checkpoint(), &forged.public()).unwrap();
    world.write("proof", proof.to_text().as_bytes());
    world
}

#[test]
fn a_fork_is_invalid_and_names_the_key_that_signed_both() {
    let world = forked();
    for arguments in [
        "fork public/checkpoint forged.3 --trust trust",
        "fork public/checkpoint forged/checkpoint --trust trust --proof proof",
        "fork forged/checkpoint public/checkpoint --trust trust --ledger forged",
    ] {
        let found = world.says(arguments, 1);
        assert!(
            found.starts_with("INVALID two checkpoints of ledger dab/test"),
            "{found}"
        );
        assert!(found.contains("log dab/test (key id"), "{found}");
    }
}

#[test]
fn checkpoints_that_agree_are_valid_and_others_undecided() {
    let world = forked();
    world.write("long", &vec![b'\n'; FORK_PROOF_BYTES_MAX + 1]);
    world.says("fork old.checkpoint public/checkpoint --trust trust --ledger public", 0);
    world.says("fork public/checkpoint public/checkpoint --trust trust", 0);
    for (arguments, words) in [
        (
            "fork public/checkpoint forged/checkpoint --trust trust",
            "give the fork proof",
        ),
        (
            "fork old.checkpoint forged/checkpoint --trust trust --proof proof",
            "speaks of size 3",
        ),
        (
            "fork old.checkpoint forged/checkpoint --trust trust --ledger public",
            "is missing",
        ),
        ("fork nothing forged/checkpoint --trust trust", "nothing cannot be read"),
        (
            "fork proof forged/checkpoint --trust trust",
            "the first checkpoint is no evidence",
        ),
        (
            "fork old.checkpoint forged/checkpoint --trust trust --proof long",
            "more than the limit",
        ),
        (
            "fork old.checkpoint forged.3 --trust nowhere",
            "nowhere/policy cannot be read",
        ),
    ] {
        let found = world.says(arguments, 2);
        assert!(
            found.starts_with("UNDECIDED") && found.contains(words),
            "{words:?} in {found}"
        );
    }
}

#[test]
fn wrong_command_lines_say_what_is_missing() {
    let world = World::new();
    for (arguments, words) in [
        ("fork", "FIRST, a checkpoint, is needed"),
        ("fork a --trust trust", "SECOND, the other checkpoint, is needed"),
        ("fork a b", "--trust DIR is needed"),
        ("fork a b c --trust trust", "unexpected argument"),
        ("fork a b --trust trust --proof p --ledger l", "give one"),
        (
            "fork a https://example.com/checkpoint --trust trust",
            "reads local files only",
        ),
    ] {
        let found = world.says(arguments, 64);
        assert!(found.contains(words), "{words:?} in {found}");
    }
}
