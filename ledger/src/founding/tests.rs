//! Founding and joining, over and over, and cut off.

use super::*;

fn candidates(dir: &Path, count: usize) -> Vec<(NodeConfig, Candidate)> {
    let made = (1..=count).map(|n| {
        let config = NodeConfig::in_dir(dir.join(format!("n{n}")));
        let candidate = candidate(
            &config,
            "dab/test",
            &format!("n{n}"),
            &format!("127.0.0.1:{}", 4000 + n),
        )
        .unwrap();
        (config, candidate)
    });
    made.collect()
}

fn found(candidates: &[(NodeConfig, Candidate)]) -> Founding {
    let candidates = candidates.iter().map(|(_, candidate)| candidate.clone()).collect();
    Founding::new("dab/test", candidates, Vec::new()).unwrap()
}

#[test]
fn every_member_gets_the_same_trust_and_knows_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let candidates = candidates(dir.path(), 4);
    let founding = Founding::from_text(&found(&candidates).to_text()).unwrap();
    for (at, (config, candidate)) in (1..).zip(&candidates) {
        let member = join(config, &founding).unwrap();
        assert_eq!((member.id.0, &member.is), (at, candidate));
        // and once more, as after a crash
        assert_eq!(join(config, &founding).unwrap(), member);
        for name in ["policy", "writers"] {
            let read = |config: &NodeConfig| fs::read_to_string(config.trust_dir.join(name)).unwrap();
            assert_eq!(read(config), read(&candidates[0].0), "{name}");
        }
    }
    let policy = fs::read_to_string(candidates[0].0.trust_dir.join("policy")).unwrap();
    assert!(
        policy.contains("group replicas 3 n1 n2 n3 n4\nquorum replicas\n"),
        "{policy}"
    );
}

#[test]
fn a_policy_with_witnesses_asks_for_the_replicas_and_one_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let candidates = candidates(dir.path(), 4);
    let named = || candidates.iter().map(|(_, candidate)| candidate.clone()).collect();
    let witness = |seed| WitnessAt {
        key: SigningKey::generate_cosigner(&format!("w/{seed}"), &[seed; 32])
            .unwrap()
            .verifier()
            .clone(),
        url: format!("https://w{seed}.example.org/"),
    };
    let founding = Founding::new("dab/test", named(), vec![witness(1), witness(2)]).unwrap();
    let text = founding.to_text();
    assert_eq!(Founding::from_text(&text).unwrap().to_text(), text);
    join(&candidates[0].0, &founding).unwrap();
    let policy = fs::read_to_string(candidates[0].0.trust_dir.join("policy")).unwrap();
    let policy = dab_proof::policy::Policy::parse(policy).unwrap();
    let is_met = |names: &[&str]| policy.is_met_by(|witness| names.contains(&witness.name.as_str()));
    assert!(is_met(&["n1", "n2", "n4", "outside.2"]));
    assert!(!is_met(&["n1", "n2", "n3", "n4"]) && !is_met(&["n1", "n2", "outside.1", "outside.2"]));
    // one that could not be asked, or that would be taken for another
    let refused = |witness| {
        Founding::new("dab/test", named(), vec![witness])
            .unwrap_err()
            .to_string()
    };
    for url in [
        "w1.example.org",
        "ftp://w1.example.org/",
        "https:///w",
        "https://w 1/",
        "https://w/?x",
        "https://w/\nlog x",
    ] {
        let told = refused(WitnessAt {
            url: url.to_owned(),
            ..witness(1)
        });
        assert!(told.contains("is no URL of a witness"), "{told}");
    }
    let told = refused(WitnessAt {
        url: "https://ann:secret@w1.example.org/".to_owned(),
        ..witness(1)
    });
    assert!(
        told.contains("a user or a password") && !told.contains("secret"),
        "{told}"
    );
    let told = Founding::new("dab/test", named(), vec![witness(1), witness(1)])
        .unwrap_err()
        .to_string();
    assert!(told.contains("there is a witness w/1 already"), "{told}");
    // one key has one role
    let replica = WitnessAt {
        key: candidates[1].1.cosigner.clone(),
        ..witness(1)
    };
    let refused = Founding::new("dab/test", named(), vec![replica]);
    assert!(matches!(refused, Err(Error::Founding { .. })), "{refused:?}");
}

/// A crash in the middle leaves any number of the files, the first ones first.
#[test]
fn a_join_that_was_cut_off_starts_no_node_and_goes_on_when_it_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let candidates = candidates(dir.path(), 2);
    let (config, founding) = (&candidates[0].0, found(&candidates));
    let dirs = Directories::of(config);
    let trust = |name: &str| dirs.trust.join(name);
    let written = [
        dirs.members(),
        dirs.log_key(),
        trust("policy"),
        trust("writers"),
        trust("ledger"),
    ];
    for cut in 0..written.len() {
        join(config, &founding).unwrap();
        written[cut..].iter().for_each(|path| fs::remove_file(path).unwrap());
        let told = crate::node::Node::start(config.clone()).unwrap_err().to_string();
        let reason = match cut {
            0 => "bring it the founding first",
            _ => "join once more",
        };
        assert!(told.contains(reason), "after {cut} files: {told}");
        assert!(!dirs.begun().exists(), "it has taken part");
    }
    join(config, &founding).unwrap();
    crate::node::Node::start(config.clone()).unwrap();
}

#[test]
fn a_directory_is_made_for_one_ledger_and_one_name() {
    let dir = tempfile::tempdir().unwrap();
    let candidates = candidates(dir.path(), 2);
    let (config, first) = &candidates[0];
    let again = |origin, name, address| candidate(config, origin, name, address);
    assert_eq!(&again("dab/test", "n1", "127.0.0.1:4001").unwrap(), first);
    for other in [
        again("dab/other", "n1", "127.0.0.1:4001"),
        again("dab/test", "n2", "127.0.0.1:4001"),
        again("dab/test", "n1", "127.0.0.1:4002"),
    ] {
        assert!(matches!(other, Err(Error::Setting { .. })), "{other:?}");
    }
    join(config, &found(&candidates)).unwrap();
    // the same machines, another key
    let other = join(config, &found(&candidates)).unwrap_err().to_string();
    assert!(
        other.contains("private/members") && other.contains("not what this founding says"),
        "{other}"
    );
    let alone = NodeConfig::in_dir(dir.path().join("alone"));
    crate::node::Node::start(alone.clone()).unwrap();
    let taken = candidate(&alone, "dab/test", "n3", "127.0.0.1:4003")
        .unwrap_err()
        .to_string();
    assert!(taken.contains("has a ledger already"), "{taken}");
}

#[test]
fn a_founding_that_is_none_is_refused_without_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let candidates = candidates(dir.path(), 2);
    let founding = found(&candidates);
    let text = founding.to_text();
    let secret = founding.log.to_text();
    for (wrong, reason) in [
        (text.replace("/v1", "/v2"), "does not begin with"),
        (text.replace("PRIVATE", "PUBLIC"), "no signing key"),
        (text.replace("127.0.0.1", "127 0.0.1"), "its members: line 1"),
        (String::new(), "does not begin with"),
    ] {
        let told = Founding::from_text(&wrong).unwrap_err().to_string();
        assert!(told.contains(reason), "{told}");
        assert!(!told.contains(&secret), "{told}");
    }
    let stranger = NodeConfig::in_dir(dir.path().join("n3"));
    let told = join(&stranger, &founding).unwrap_err().to_string();
    assert!(told.contains("no candidate's"), "{told}");
    candidate(&stranger, "dab/test", "n3", "127.0.0.1:4003").unwrap();
    let told = join(&stranger, &founding).unwrap_err().to_string();
    assert!(told.contains("does not name this candidate"), "{told}");
    let elsewhere = candidates.iter().map(|(_, candidate)| candidate.clone()).collect();
    let told = Founding::new("dab/other", elsewhere, Vec::new())
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("n1 has made its keys for another ledger than dab/other"),
        "{told}"
    );
    let one = Founding::new("dab/test", vec![candidates[0].1.clone()], Vec::new())
        .unwrap_err()
        .to_string();
    assert!(one.contains("needs no founding"), "{one}");
}
