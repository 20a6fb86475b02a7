use std::sync::Arc;

use dab_ledger::testing::TestLedger;
use dab_proof::tree::LeafIndex;

use super::*;

fn ledger(test: &TestLedger) -> Ledger {
    Ledger {
        notary: test.node().clone(),
        reader: test.node().clone(),
        writer: Arc::new(test.node().writer().clone()),
    }
}

fn data(subject: &str, body: &str, sequence: Option<u64>) -> ForeignData {
    ForeignData {
        subject: subject.parse().unwrap(),
        digest: BodyDigest::of(body.as_bytes()),
        sequence,
        once: None,
    }
}

async fn index(ledger: &Ledger, subject: &str, body: &str, sequence: Option<u64>) -> LeafIndex {
    match bind(ledger, &data(subject, body, sequence)).await.unwrap() {
        Bound::Certified(receipt) => receipt.index,
        Bound::Conflict(head) => panic!("{subject} {sequence:?}: conflict with {head:?}"),
    }
}

#[tokio::test]
async fn asking_again_gives_the_same_leaf_and_other_bytes_follow_on() {
    let test = TestLedger::start();
    let ledger = ledger(&test);
    let first = index(&ledger, "digest/a", "one", None).await;
    assert_eq!(index(&ledger, "digest/a", "one", None).await, first);
    let second = index(&ledger, "digest/a", "two", None).await;
    assert!(second > first);
    // the first bytes are back: without a sequence that is news, with it the old leaf
    assert_eq!(index(&ledger, "digest/a", "one", Some(0)).await, first);
    assert_eq!(index(&ledger, "digest/a", "two", Some(1)).await, second);
    let third = index(&ledger, "digest/a", "one", None).await;
    assert!(third > second);
    assert_eq!(index(&ledger, "digest/a", "one", Some(2)).await, third);
}

#[tokio::test]
async fn a_sequence_that_is_taken_or_leaves_a_gap_is_a_conflict_that_names_the_head() {
    let test = TestLedger::start();
    let ledger = ledger(&test);
    let gap = bind(&ledger, &data("digest/a", "one", Some(1))).await.unwrap();
    assert!(matches!(gap, Bound::Conflict(None)), "{gap:?}");
    let first = index(&ledger, "digest/a", "one", Some(0)).await;
    for (body, sequence) in [("another", 0), ("one", 2), ("one", u64::MAX)] {
        match bind(&ledger, &data("digest/a", body, Some(sequence))).await.unwrap() {
            Bound::Conflict(Some(head)) => assert_eq!((head.sequence, head.leaf_index), (0, first)),
            other => panic!("{body} {sequence}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn those_who_race_for_a_subject_all_find_a_place_and_the_same_bytes_one() {
    let test = TestLedger::start();
    let ledger = ledger(&test);
    let bodies = ["one", "two", "one", "three", "one"];
    let racing = bodies.map(|body| index(&ledger, "digest/a", body, None));
    let mut indexes = futures::future::join_all(racing).await;
    indexes.sort_unstable();
    indexes.dedup();
    assert!((3..=5).contains(&indexes.len()), "{indexes:?}");
    let head = ledger.reader.head(&"digest/a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(head.sequence + 1, indexes.len() as u64, "no leaf without an answer");
}

#[tokio::test]
async fn only_subjects_of_digests_are_bound_from_outside() {
    let test = TestLedger::start();
    let ledger = ledger(&test);
    for subject in ["catalog", "heads", "table/x", "digest", "digest/", "Digest/a"] {
        let refused = bind(&ledger, &data(subject, "one", None)).await;
        assert!(
            matches!(refused, Err(Error::NotForeign { .. })),
            "{subject}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_leaf_that_its_own_writer_signed_is_taken_as_it_is() {
    let test = TestLedger::start();
    let ledger = ledger(&test);
    let statement = test.next("digest/b", "bytes").await;
    let bound = bind_signed(&ledger, statement.leaf.clone(), None).await.unwrap();
    let Bound::Certified(receipt) = bound else {
        panic!("{bound:?}");
    };
    assert_eq!(receipt.leaf, statement.leaf);
    // the same digests under another operation are another statement
    let next = index(&ledger, "digest/b", "bytes", None).await;
    assert!(next > receipt.index);
    let again = bind_signed(&ledger, statement.leaf, None).await.unwrap();
    assert!(matches!(again, Bound::Certified(again) if again.index == receipt.index));
    let other = test.next("catalog", "bytes").await.leaf;
    assert!(matches!(
        bind_signed(&ledger, other, None).await,
        Err(Error::NotForeign { .. })
    ));
}

#[tokio::test]
async fn a_request_that_comes_again_gets_the_leaf_of_the_first_whatever_came_between() {
    let test = TestLedger::start();
    let ledger = ledger(&test);
    let keyed = |body: &str, statement: u8| ForeignData {
        once: Some(Once {
            request: [1; 32],
            statement: [statement; 32],
        }),
        ..data("digest/a", body, None)
    };
    let get = async |data: ForeignData| match bind(&ledger, &data).await {
        Ok(Bound::Certified(receipt)) => receipt.index,
        other => panic!("{other:?}"),
    };
    let first = get(keyed("one", 1)).await;
    index(&ledger, "digest/a", "two", None).await;
    // without the key this would be a third leaf
    assert_eq!(get(keyed("one", 1)).await, first);
    let other = bind(&ledger, &keyed("three", 2)).await;
    assert!(
        matches!(other, Err(Error::OtherStatement { leaf_index }) if leaf_index == first.0),
        "{other:?}"
    );
    let head = ledger.reader.head(&"digest/a".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(head.sequence, 1);
}
