//! The vectors of `tests/vectors` for `add-checkpoint` (C2SP `tlog-witness`): each request to a witness whose key, clock and
//! memory are given.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dab_ledger::witness::{Witness, WitnessConfig, router};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::world::{HandClock, RawHttp, Told};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The answer of a fresh witness that cosigned the requests `before`.
async fn answer(vector: &Value) -> Told {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("cosigner.key");
    fs::write(&key, format!("{}\n", text(&vector["witness"]))).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let logs = vector["logs"].as_array().unwrap();
    let witness = Witness::open(WitnessConfig {
        dir: dir.path().to_owned(),
        name: None,
        logs: logs.iter().map(|key| text(key).parse().unwrap()).collect(),
        clock: HandClock::at(vector["time"].as_u64().unwrap()),
    });
    let routes = router(witness.unwrap().into());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = RawHttp(listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    for request in vector["before"].as_array().unwrap() {
        let told = http.send("POST", "/add-checkpoint", text(request).as_bytes()).await;
        assert_eq!(told.status, 200, "{}: {}", vector["name"], told.body);
    }
    let told = http
        .send("POST", "/add-checkpoint", text(&vector["request"]).as_bytes())
        .await;
    server.abort();
    told
}

#[tokio::test]
async fn every_request_gets_the_answer_of_its_vector() {
    let path = format!("{}/../tests/vectors/witness.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(vectors.len() >= 40, "only {} vectors", vectors.len());
    for vector in vectors {
        let (name, told) = (&vector["name"], answer(&vector).await);
        assert_eq!(vector["status"], told.status, "{name}: {}", told.body);
        for (field, found) in [("content_type", &told.content_type), ("body", &told.body)] {
            if let Some(expected) = vector.get(field) {
                assert_eq!(text(expected), found, "{name}");
            }
        }
    }
}
