//! The static read path.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use dab_ledger::http::router;
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::TestLedger;
use dab_proof::hash::leaf_hash;
use dab_proof::head_proof::HeadProof;
use dab_proof::tile::{encode_bundle, encode_tile};
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content_type: String,
    cache: String,
    body: Vec<u8>,
}

async fn ask(ledger: &TestLedger, method: Method, path: &str) -> Answer {
    let router = router(ledger.node().public_dir(), ledger.node().clone(), vec![]);
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    Answer {
        status: response.status(),
        headers: response.headers().clone(),
        content_type: header(header::CONTENT_TYPE),
        cache: header(header::CACHE_CONTROL),
        body: to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec(),
    }
}

async fn get(ledger: &TestLedger, path: &str) -> Answer {
    ask(ledger, Method::GET, path).await
}

#[tokio::test]
async fn checkpoint_and_tiles_are_served_as_they_lie_on_disk() {
    let ledger = TestLedger::start();
    ledger.notarize("table/a", "a").await;
    ledger.notarize("table/b", "b").await;
    let on_disk = |name: &str| std::fs::read(ledger.node().public_dir().join(name)).unwrap();
    let checkpoint = get(&ledger, "/checkpoint").await;
    assert_eq!(
        (checkpoint.status, checkpoint.body),
        (StatusCode::OK, on_disk("checkpoint"))
    );
    assert_eq!(checkpoint.content_type, "text/plain; charset=utf-8");
    assert_eq!(checkpoint.cache, "max-age=2");
    // a partial tile for both checkpoints, not only for the last
    for name in [
        "tile/0/000.p/1",
        "tile/0/000.p/2",
        "tile/entries/000.p/1",
        "tile/entries/000.p/2",
    ] {
        let tile = get(&ledger, &format!("/{name}")).await;
        assert_eq!((tile.status, tile.body), (StatusCode::OK, on_disk(name)), "{name}");
        assert_eq!(tile.content_type, "application/octet-stream");
        assert!(tile.cache.contains("immutable"));
        let head = ask(&ledger, Method::HEAD, &format!("/{name}")).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    }
}

#[tokio::test]
async fn partial_tiles_of_every_size_are_served_although_few_lie_on_disk() {
    let ledger = TestLedger::start();
    let mut entries = Vec::new();
    for at in 0..300 {
        entries.push(ledger.notarize("table/a", &at.to_string()).await.leaf.bytes().to_vec());
    }
    let hashes: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let public = ledger.node().public_dir();
    let lies_there = |name: &str| public.join(name).is_file();
    assert!(lies_there("tile/0/001.p/44") && lies_there("tile/entries/001.p/44"));
    assert!(!lies_there("tile/0/000.p/255") && !lies_there("tile/entries/001.p/20"));
    for size in (1..=300).filter(|size| size % 256 != 0) {
        let (tile, width) = (size / 256, size % 256);
        let first = tile * 256..size;
        let expected = [
            (
                format!("/tile/0/{tile:03}.p/{width}"),
                encode_tile(&hashes[first.clone()]),
            ),
            (
                format!("/tile/entries/{tile:03}.p/{width}"),
                encode_bundle(&entries[first]).unwrap(),
            ),
        ];
        for (name, bytes) in expected {
            let answer = get(&ledger, &name).await;
            assert_eq!((answer.status, answer.body), (StatusCode::OK, bytes), "{name}");
            assert!(answer.cache.contains("immutable"), "{name}");
        }
    }
    for beyond in [
        "/tile/0/001.p/45",
        "/tile/entries/001.p/45",
        "/tile/0/001",
        "/tile/1/000.p/2",
    ] {
        assert_eq!(get(&ledger, beyond).await.status, StatusCode::NOT_FOUND, "{beyond}");
    }
}

#[tokio::test]
async fn nothing_but_tiles_by_their_proper_names_is_served() {
    let ledger = TestLedger::start();
    ledger.notarize("table/a", "a").await;
    for path in [
        "/tile/0/000",
        "/tile/0/000.p/2",
        "/tile/0/001.p/1",
        "/tile/1/000.p/1",
        "/tile/0/0",
        "/tile/00/000.p/1",
        "/tile/0/000.p/01",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/x000/000.p/1",
        "/tile/0",
        "/tile/",
        "/tile",
        "/tile/0/000.p",
        "/tile/0/000.p/1/",
        "/tile//0/000.p/1",
        "/tile/../checkpoint",
        "/tile/0/../0/000.p/1",
        "/tile/%2e%2e/checkpoint",
        "/tile/..%2fcheckpoint",
        "/tile/../../private/log.key",
        "/tile/%2e%2e/%2e%2e/private/log.key",
        "/..%2fprivate%2flog.key",
        "/private/log.key",
        "/.writing",
        "/",
        "/trust/policy",
        "/tile/entries/../../checkpoint",
        "/checkpoint/",
        "//checkpoint",
    ] {
        let answer = get(&ledger, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body.len() < 64, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(
            ask(&ledger, method, "/checkpoint").await.status,
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
}

#[tokio::test]
async fn auditors_page_is_served_whole_and_may_ask_nobody() {
    let ledger = TestLedger::start();
    let page = get(&ledger, "/audit/").await;
    assert_eq!(
        (page.status, page.content_type.as_str()),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    let text = String::from_utf8(page.body).unwrap();
    let beside: Vec<_> = text
        .split(" src=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .collect();
    assert!(beside.len() > 10, "{text}");
    for (name, _) in beside {
        let script = get(&ledger, &format!("/audit/{name}")).await;
        assert_eq!(script.status, StatusCode::OK, "{name}");
        assert_eq!(script.content_type, "text/javascript; charset=utf-8", "{name}");
        assert_eq!(script.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{name}");
    }
    assert_eq!(
        get(&ledger, "/audit/style.css").await.content_type,
        "text/css; charset=utf-8"
    );
    for rule in [
        "default-src 'none'",
        "connect-src 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(text.contains(rule), "{text}");
    }
    assert_eq!(page.headers[header::CONTENT_SECURITY_POLICY], "frame-ancestors 'none'");
    // its scripts lie beside it, so it has to be asked for by its folder
    let bare = get(&ledger, "/audit").await;
    assert_eq!(bare.status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(bare.headers[header::LOCATION], "audit/");
    for path in [
        "/audit/index.html",
        "/audit/verify",
        "/audit/../checkpoint",
        "/audit//page.js",
        "/audit/Cargo.toml",
    ] {
        assert_eq!(get(&ledger, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn health_says_how_far_and_that_it_certifies_alone() {
    let mut ledger = TestLedger::start();
    ledger.notarize("table/a", "a").await;
    let answer = get(&ledger, "/health").await;
    assert_eq!((answer.status, answer.cache.as_str()), (StatusCode::OK, "no-store"));
    let health: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["parts"], serde_json::json!({ "ledger": "ok" }));
    assert_eq!(health["size"], 1);
    assert_eq!(health["certifies_alone"], true);
    assert_eq!(health["quorum"], "none");
    assert!(health["checkpoint_unix_ms"].as_u64().unwrap() > 1_700_000_000_000);
    ledger.node().stop().await.unwrap();
    assert_eq!(get(&ledger, "/health").await.status, StatusCode::SERVICE_UNAVAILABLE);
    ledger.reopen().unwrap();
}

#[tokio::test]
async fn head_proofs_are_served_of_the_last_heads_leaf_and_asking_writes_none() {
    let ledger = TestLedger::start();
    ledger.notarize("table/a", "0").await;
    let none = get(&ledger, "/head/table/a").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(none.cache, "no-store");
    ledger.node().head_proof(&"table/a".parse().unwrap()).await.unwrap();
    ledger.notarize("table/a", "1").await;
    for (path, sequence) in [
        ("/head/table/a", Some(0)),
        ("/head/table%2Fa", Some(0)),
        ("/head/x", None),
    ] {
        let answer = get(&ledger, path).await;
        assert_eq!(
            (answer.status, answer.cache.as_str()),
            (StatusCode::OK, "max-age=2"),
            "{path}"
        );
        assert_eq!(answer.content_type, "text/plain; charset=utf-8");
        assert_eq!(answer.headers["dab-leaves-covered"], "1");
        let proof = HeadProof::parse(&answer.body)
            .unwrap()
            .verify(&ledger.node().trust())
            .unwrap();
        assert_eq!(proof.head.map(|head| head.leaf.leaf().sequence), sequence);
    }
    for path in [
        "/head/",
        "/head",
        "/head/heads",
        "/head/a%20b",
        "/head/%c3%a9",
        "/head/a%0ab",
    ] {
        assert_eq!(get(&ledger, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let long = get(&ledger, &format!("/head/{}", "x".repeat(256))).await;
    assert_eq!(long.status, StatusCode::NOT_FOUND);
    assert_eq!(ledger.node().certified().await.size.0, 3);
}
