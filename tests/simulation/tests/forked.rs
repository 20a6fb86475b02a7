//! A replica whose leader told it other entries than the others, or whose disk lost some, holds another tree than the
//! certified one. It finds out, keeps the two notes, and does not go on.

use dab_ledger::Error;
use dab_simulation::script::{Kind, Script};

#[test]
fn a_replica_that_holds_another_tree_than_the_certified_one_keeps_the_evidence_and_stops() {
    let mut script = Script::led_by(1);
    let statement = script.statement("table/t", None);
    let mut answer = script.propose(1, &statement);
    script.deliver(|_| true);
    assert!(answer.try_recv().is_ok());
    // nobody hears the next cosignatures, so its tree is ahead of what it knows to be certified
    let next = script.statement("table/t", Some(&statement));
    let _unanswered = script.propose(1, &next);
    script.deliver(|passing| passing.kind != Kind::Note);
    let error = script.show_other(2, 2).unwrap_err();
    assert!(
        matches!(&error, Error::Inconsistent { reason } if reason.contains("certified checkpoint")),
        "{error}"
    );
    let evidence = script.evidence(2);
    assert!(
        evidence
            .iter()
            .any(|(ours, theirs)| ours != theirs && *theirs.as_bytes() == [7; 32]),
        "{evidence:?}"
    );
}

#[test]
fn a_certified_tree_that_a_replica_has_not_grown_to_is_compared_when_it_does() {
    let mut script = Script::led_by(1);
    let statement = script.statement("table/t", None);
    script.show_other(2, 1).expect("nothing to compare yet");
    let _answer = script.propose(1, &statement);
    let (id, error) = script.deliver_or_stop().expect("replica 2 stops");
    assert_eq!(id, 2);
    assert!(matches!(&error, Error::Inconsistent { .. }), "{error}");
    assert_eq!(script.evidence(2).len(), 1);
}
