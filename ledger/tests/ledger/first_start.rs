//! The first start: keys, origin, trust; and every way to find them half made or wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use dab_ledger::Error;
use dab_ledger::node::{Node, NodeConfig};
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::TestLedger;
use dab_proof::trust::Trust;

use crate::world::{acknowledge, check};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_makes_keys_and_a_trust_directory_that_verifies_its_receipts() {
    let ledger = TestLedger::start();
    let dir = ledger.dir();
    assert_eq!(mode(&dir.join("private")), 0o700);
    for name in [
        "log.key",
        "writer.key",
        "state.redb",
        "raft/00000000000000000001.segment",
    ] {
        assert_eq!(mode(&dir.join("private").join(name)), 0o600, "{name}");
    }
    let text = |name: &str| fs::read_to_string(dir.join("trust").join(name)).unwrap();
    let trust = Trust::from_texts(text("policy"), text("writers"), Some(&text("ledger"))).unwrap();
    assert_eq!(trust.ledger.as_deref(), Some("../public"));
    let node = ledger.node();
    assert!(
        node.origin().strip_prefix("dab/").is_some_and(|uuid| uuid.len() == 36),
        "{}",
        node.origin()
    );
    assert_eq!(node.writer().name(), format!("{}/writer", node.origin()));
    let receipt = ledger.notarize("table/t", "x").await;
    receipt.verify(&trust).unwrap();
    // even before the first leaf there is a checkpoint
    assert_eq!(node.checkpoints().await[0].size.0, 0);
    let secret = fs::read_to_string(dir.join("private/writer.key")).unwrap();
    assert!(!format!("{node:?}").contains(secret.trim().splitn(5, '+').last().unwrap()));
}

#[tokio::test]
async fn an_origin_is_fixed_at_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = |origin: Option<&str>| NodeConfig {
        origin: origin.map(str::to_owned),
        ..NodeConfig::in_dir(dir.path())
    };
    let node = Node::start(config(Some("example.com/dab"))).unwrap();
    assert_eq!(node.origin(), "example.com/dab");
    drop(node);
    let error = Node::start(config(Some("example.com/other"))).unwrap_err();
    assert!(
        matches!(&error, Error::Setting { reason, .. } if reason.contains("fixed at its first start")),
        "{error}"
    );
    assert_eq!(Node::start(config(None)).unwrap().origin(), "example.com/dab");
    let long = "x".repeat(250);
    for bad in ["", "with space", "plus+sign", "new\nline", &long] {
        let fresh = tempfile::tempdir().unwrap();
        let config = NodeConfig {
            origin: Some(bad.to_owned()),
            ..NodeConfig::in_dir(fresh.path())
        };
        assert!(matches!(Node::start(config), Err(Error::Setting { .. })), "{bad:?}");
        assert!(!fresh.path().join("private/log.key").exists(), "{bad:?}");
    }
}

#[tokio::test]
async fn a_first_start_that_crashed_anywhere_goes_on() {
    // what a crash leaves: the files made so far, in the order in which they are made
    let order = [
        "private/log.key",
        "private/writer.key",
        "trust/policy",
        "trust/writers",
        "trust/ledger",
    ];
    let mut whole = TestLedger::start();
    whole.crash();
    for made in 0..=order.len() {
        let dir = tempfile::tempdir().unwrap();
        for name in &order[..made] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(whole.dir().join(name), &path).unwrap();
        }
        // and perhaps the temporary file of the next one
        if let Some(next) = order.get(made) {
            let place = dir.path().join(next);
            let name = place.file_name().unwrap().to_string_lossy();
            let path = place.with_file_name(format!(".{name}.new"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "half").unwrap();
        }
        let node = Node::start(NodeConfig::in_dir(dir.path())).unwrap_or_else(|error| panic!("after {made}: {error}"));
        assert_eq!(node.certified().await.size.0, 0);
    }
}

#[tokio::test]
async fn keys_that_are_missing_or_that_others_may_read_are_refused() {
    let mut ledger = TestLedger::start();
    let acknowledged = vec![acknowledge(&ledger, "table/t", "x").await];
    ledger.crash();
    for name in ["log.key", "writer.key"] {
        let mut copy = ledger.copy();
        let path = copy.dir().join("private").join(name);
        for readable in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(readable)).unwrap();
            let error = copy.reopen().unwrap_err();
            assert!(
                matches!(&error, Error::Setting { path: named, .. } if *named == path),
                "{error}"
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let secret = fs::read_to_string(&path).unwrap();
        fs::write(&path, &secret[..secret.len() - 5]).unwrap();
        let error = copy.reopen().unwrap_err().to_string();
        assert!(
            !error.contains(&secret[secret.len() - 30..secret.len() - 10]),
            "the error quotes the key: {error}"
        );
        fs::remove_file(&path).unwrap();
        let error = copy.reopen().unwrap_err();
        assert!(
            matches!(&error, Error::Setting { reason, .. } if reason.contains("missing")),
            "{error}"
        );
        assert!(!path.exists(), "a new key was made over an old ledger");
    }
    ledger.reopen().unwrap();
    check(&ledger, &acknowledged).await;
}

#[tokio::test]
async fn a_trust_directory_that_does_not_fit_the_node_is_refused() {
    let mut ledger = TestLedger::start();
    ledger.crash();
    let policy = fs::read_to_string(ledger.dir().join("trust/policy")).unwrap();
    let witness = dab_proof::note::SigningKey::generate_cosigner("witness", &[9; 32]).unwrap();
    let cases = [
        ("policy", "garbage\n".to_owned()),
        ("policy", "quorum none\n".to_owned()),
        (
            "policy",
            policy.replace("quorum none", &format!("witness w {}\nquorum w", witness.verifier())),
        ),
        ("writers", "garbage\n".to_owned()),
        ("ledger", "\n".to_owned()),
    ];
    for (name, text) in cases {
        let mut copy = ledger.copy();
        fs::write(copy.dir().join("trust").join(name), &text).unwrap();
        let error = copy.reopen().unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{text}: {error}");
    }
}

#[tokio::test]
async fn writers_may_change_between_runs_and_old_leaves_still_replay() {
    let mut ledger = TestLedger::start();
    ledger.notarize("table/t", "by the first writer").await;
    ledger.crash();
    // the leaf of the writer that is struck out lies in the raft log only: it was right when it was accepted
    let other = dab_proof::note::SigningKey::generate("dab/other", &[8; 32]).unwrap();
    fs::write(
        ledger.dir().join("trust/writers"),
        format!("{} table/*\n", other.verifier()),
    )
    .unwrap();
    ledger.reopen().unwrap();
    assert_eq!(ledger.node().certified().await.size.0, 1);
    let error = {
        use dab_ledger::notary::{Notary, Proposal};
        let statement = ledger.next("table/t", "by the first writer again").await;
        ledger
            .node()
            .notarize(Proposal {
                statements: vec![statement],
            })
            .await
            .unwrap_err()
    };
    assert!(
        matches!(&error, Error::Refused { subject, .. } if subject == "table/t"),
        "{error}"
    );
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_data_directory_has_one_node() {
    let mut ledger = TestLedger::start();
    let error = Node::start(NodeConfig::in_dir(ledger.dir())).unwrap_err();
    let lock = ledger.dir().join("private/lock");
    assert!(matches!(&error, Error::Locked { path } if *path == lock), "{error}");
    ledger.crash();
    ledger.reopen().unwrap();
}
