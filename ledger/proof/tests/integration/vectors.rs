//! The vectors of `tests/vectors` that a ledger's files and growth have, read without a file of a ledger: those of paths,
//! tiles, entry bundles, consistency proofs, forks and changes of members. `make.py` there says what the fields mean.

use std::collections::BTreeSet;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dab_proof::consistency;
use dab_proof::epoch::{follow_changes, parse_changes};
use dab_proof::error::Error;
use dab_proof::fork::{Further, check_fork};
use dab_proof::hash::Hash;
use dab_proof::report::Verdict;
use dab_proof::tile::{BundlePath, TilePath, decode_bundle, decode_tile, encode_bundle, encode_tile};
use dab_proof::tree::TreeSize;
use dab_proof::trust::Trust;
use serde_json::Value;

/// The vectors of a file, each with its name.
fn vectors(name: &str, at_least: usize) -> Vec<(String, Value)> {
    let path = format!("{}/../../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(vectors.len() >= at_least, "{name}: only {} vectors", vectors.len());
    let named = |vector: Value| (text(&vector["name"]).to_owned(), vector);
    vectors.into_iter().map(named).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// A text, or the bytes of `{"base64": ...}`.
fn content(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => STANDARD.decode(text(&other["base64"])).unwrap(),
    }
}

fn is_valid(vector: &Value) -> bool {
    vector["verdict"] == "VALID"
}

#[test]
fn paths_name_the_tiles_that_they_should_and_others_none() {
    for (name, vector) in vectors("paths", 200) {
        let path = text(&vector["path"]);
        let (tile, bundle) = (path.parse::<TilePath>(), path.parse::<BundlePath>());
        if !is_valid(&vector) {
            assert!(tile.is_err() && bundle.is_err(), "{name}");
            continue;
        }
        let (index, width) = (number(&vector["index"]), number(&vector["width"]) as u16);
        match vector["level"].as_u64() {
            Some(level) => {
                assert_eq!(tile.unwrap(), TilePath::new(level as u8, index, width).unwrap());
                assert!(bundle.is_err(), "{name}");
            }
            None => {
                assert_eq!(bundle.unwrap(), BundlePath::new(index, width).unwrap());
                assert!(tile.is_err(), "{name}");
            }
        }
    }
}

#[test]
fn tiles_and_entry_bundles_are_read_and_written_as_they_stand() {
    for (name, vector) in vectors("tiles", 10) {
        let (bytes, width) = (content(&vector["bytes"]), number(&vector["width"]) as u16);
        let hashes = decode_tile(&bytes, width);
        assert_eq!(hashes.is_ok(), is_valid(&vector), "{name}");
        let Ok(hashes) = hashes else { continue };
        let told: Vec<_> = hashes.iter().map(Hash::to_string).collect();
        assert_eq!(
            told,
            list(&vector["hashes"]).iter().map(text).collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(encode_tile(&hashes), bytes, "{name}");
    }
    for (name, vector) in vectors("bundles", 15) {
        let (bytes, width) = (content(&vector["bytes"]), number(&vector["width"]) as u16);
        let entries = decode_bundle(&bytes, width);
        assert_eq!(entries.is_ok(), is_valid(&vector), "{name}");
        let Ok(entries) = entries else { continue };
        assert_eq!(
            entries,
            list(&vector["entries"]).iter().map(content).collect::<Vec<_>>(),
            "{name}"
        );
        assert_eq!(encode_bundle(&entries).unwrap(), bytes, "{name}");
    }
}

#[test]
fn consistency_proofs_are_judged_as_written() {
    for (name, vector) in vectors("consistency", 100) {
        let head = |side: &str| {
            let (size, root) = (number(&vector[side]["size"]), text(&vector[side]["root"]));
            (TreeSize(size), root.parse::<Hash>().unwrap())
        };
        let ((old_size, old_root), (new_size, new_root)) = (head("old"), head("new"));
        let hashes = list(&vector["hashes"]).iter().map(|hash| text(hash).parse());
        let found = hashes
            .collect::<Result<Vec<Hash>, Error>>()
            .and_then(|hashes| consistency::verify(old_size, &old_root, new_size, &new_root, &hashes));
        assert_eq!(found.is_ok(), is_valid(&vector), "{name}: {found:?}");
    }
}

#[test]
fn forks_are_told_with_who_is_to_blame() {
    for (name, vector) in vectors("forks", 50) {
        let [policy, writers, first, second] =
            ["policy", "writers", "first", "second"].map(|field| content(&vector[field]));
        let Ok(trust) = Trust::from_texts(&policy, &writers, None) else {
            assert_eq!(vector["verdict"], "UNDECIDED", "{name}");
            continue;
        };
        let proof = vector.get("proof").map(content);
        let further = proof.as_deref().map_or(Further::Nothing, Further::Proof);
        let report = check_fork(&first, &second, &trust, further);
        let verdict = match report.verdict() {
            Verdict::Valid => "VALID",
            Verdict::Invalid => "INVALID",
            Verdict::Undecided => "UNDECIDED",
        };
        assert_eq!(vector["verdict"], verdict, "{name}: {report}");
        let told = vector
            .get("accused")
            .map_or(Vec::new(), |told| list(told).iter().map(text).collect());
        let messages = report.failures.iter().map(|failure| failure.message.as_str());
        let accused = messages.flat_map(|message| message.match_indices(" (key id").map(|(at, _)| &message[..at]));
        let accused: BTreeSet<_> = accused.filter_map(|before| before.rsplit([' ', ',']).next()).collect();
        assert_eq!(accused, told.into_iter().collect(), "{name}: {report}");
    }
}

#[test]
fn changes_of_members_and_writers_lead_where_they_should() {
    for (name, vector) in vectors("changes", 70) {
        let [policy, writers, changes] = ["policy", "writers", "changes"].map(|field| content(&vector[field]));
        let steps = parse_changes(&changes)
            .and_then(|changes| follow_changes(&policy, &writers, vector["epoch"].as_u64(), &changes));
        // whom the auditor trusts is read by the caller, which tells undecided from invalid
        assert_eq!(steps.is_ok(), is_valid(&vector), "{name}: {steps:?}");
        let Ok(steps) = steps else { continue };
        let told = list(&vector["epochs"]).iter().map(|epoch| {
            let texts = (text(&epoch["policy"]), text(&epoch["writers"]));
            (number(&epoch["epoch"]), number(&epoch["members"]) as usize, texts)
        });
        let found = steps.iter().map(|step| {
            let texts = (step.text.policy.as_str(), step.text.writers.as_str());
            (step.epoch, step.text.members.lines().count(), texts)
        });
        assert!(told.eq(found), "{name}: {steps:?}");
    }
}
