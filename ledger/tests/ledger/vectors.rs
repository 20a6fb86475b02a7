//! The vectors of `tests/vectors` for what nobody but replicas reads: segments of the raft log, hellos and frames. They are
//! made in Python from DESIGN.md, and pin these bytes against a change that nobody meant.

use std::fs;

use dab_ledger::testing::decoders::{RaftLog, peer_frames, peer_hello, raft_log_twice, raft_segment};
use serde_json::Value;

fn vectors(name: &str, at_least: usize) -> Vec<Value> {
    let path = format!("{}/../tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(vectors.len() >= at_least, "{name}: only {} vectors", vectors.len());
    vectors
}

fn bytes(vector: &Value) -> Vec<u8> {
    let digits = vector["bytes"].as_str().unwrap();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

#[test]
fn segments_of_the_raft_log_hold_what_they_should() {
    for vector in vectors("segments", 40) {
        let (name, raw) = (&vector["name"], bytes(&vector));
        let is_last = vector["is_last"].as_bool().unwrap();
        let read = raft_segment(&raw, is_last);
        if !is_last {
            // the log's contents are those of all its segments
            assert_eq!(read.is_ok(), vector["verdict"] == "VALID", "{name}: {read:?}");
            continue;
        }
        let logs = raft_log_twice(&raw);
        if vector["verdict"] != "VALID" {
            assert!(logs.is_err(), "{name}: {logs:?}");
            continue;
        }
        let kept = number(&vector["kept"]) as usize;
        assert_eq!(read.unwrap(), &raw[..kept], "{name}");
        let log = &vector["log"];
        let told = RaftLog {
            base: number(&log["base"]),
            committed: number(&log["committed"]),
            terms: log["terms"].as_array().unwrap().iter().map(number).collect(),
        };
        assert_eq!(logs.unwrap(), [told.clone(), told], "{name}");
    }
}

#[test]
fn hellos_and_frames_are_read_as_far_as_they_hold() {
    for vector in vectors("peers", 40) {
        let (name, raw) = (&vector["name"], bytes(&vector));
        match vector["form"].as_str().unwrap() {
            "hello" => {
                let read = peer_hello(&raw);
                assert_eq!(read.is_some(), vector["verdict"] == "VALID", "{name}");
                assert!(read.is_none_or(|written| written == raw), "{name}");
            }
            "frames" => {
                let kept = number(&vector["kept"]) as usize;
                assert_eq!(kept == raw.len(), vector["verdict"] == "VALID", "{name}");
                assert_eq!(peer_frames(&raw), &raw[..kept], "{name}");
            }
            form => panic!("{name}: no form {form}"),
        }
    }
}
