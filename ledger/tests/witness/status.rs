//! Every answer that C2SP `tlog-witness` knows, and when it is given.

use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::note::{NoteSignature, SigningKey};
use dab_proof::tree::TreeSize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{NOW_UNIX_S, World, ledger, log_hash, request};

#[tokio::test]
async fn a_ledger_that_grows_is_cosigned_from_size_to_size() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(600, "leaf");
    let mut old = 0;
    for new in [1, 2, 3, 3, 8, 255, 256, 257, 600] {
        let told = world.post(&request(&ledger, old, new)).await;
        assert_eq!(told.status, 200, "{old} to {new}: {}", told.body);
        let line = NoteSignature::parse(told.body.strip_suffix('\n').unwrap()).unwrap();
        let mut signed = ledger.checkpoint_at(TreeSize(new));
        signed.add(line).unwrap();
        let key = world.witness().verifier();
        let verified = signed.note().verify("checkpoint", [key]).unwrap();
        assert_eq!(verified[0].time_unix_s, Some(NOW_UNIX_S));
        // what it serves to monitors has the log's signature and its own
        assert_eq!(world.latest().await.unwrap(), signed);
        old = new;
    }
}

#[tokio::test]
async fn a_tree_without_leaves_is_cosigned_too() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(1, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 0)).await.status, 200);
    assert_eq!(world.post(&request(&ledger, 0, 1)).await.status, 200);
}

#[tokio::test]
async fn malformed_requests_and_trees_that_shrink_are_400() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(9, "leaf");
    for body in [&b""[..], b"old 0\n\n", b"old x\n\nno\n", b"\xff"] {
        assert_eq!(world.http().send("POST", "/add-checkpoint", body).await.status, 400);
    }
    let mut shrinking = request(&ledger, 0, 4);
    shrinking.old = TreeSize(5);
    let told = world.post(&shrinking).await;
    assert_eq!(told.status, 400);
    assert!(told.body.contains("5 leaves cannot have grown to 4"), "{}", told.body);
    assert_eq!(world.latest().await, None);
}

#[tokio::test]
async fn unknown_ledgers_are_404_and_unsigned_checkpoints_403() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(3, "leaf");
    let head = ledger.checkpoint().checkpoint().clone();
    let mut unknown = request(&ledger, 0, 3);
    let elsewhere = SigningKey::generate("dab/elsewhere", &[1; 32]).unwrap();
    let named = |origin: &str| dab_proof::checkpoint::Checkpoint {
        origin: origin.to_owned(),
        ..head.clone()
    };
    unknown.checkpoint = named("dab/elsewhere").sign(&elsewhere).unwrap();
    assert_eq!(world.post(&unknown).await.status, 404);

    let stranger = SigningKey::generate("dab/test", &[9; 32]).unwrap();
    let mut unsigned = request(&ledger, 0, 3);
    unsigned.checkpoint = head.sign(&stranger).unwrap();
    assert_eq!(
        world.post(&unsigned).await.status,
        403,
        "signed by another key of the same name"
    );
    let text = String::from_utf8(ledger.checkpoint().to_bytes())
        .unwrap()
        .replacen("\n3\n", "\n2\n", 1);
    unsigned.checkpoint = SignedCheckpoint::parse(text.as_bytes()).unwrap();
    assert_eq!(world.post(&unsigned).await.status, 403, "changed after it was signed");
    assert_eq!(world.latest().await, None);
    for path in [
        format!("/{}/checkpoint", log_hash("dab/elsewhere")),
        "/x/checkpoint".to_owned(),
        "/checkpoint".to_owned(),
    ] {
        assert_eq!(world.http().send("GET", &path, b"").await.status, 404);
    }
}

#[tokio::test]
async fn another_start_than_the_last_cosigned_is_409_with_its_size() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    let told = world.post(&request(&ledger, 3, 7)).await;
    assert_eq!((told.status, told.body.as_str()), (409, "0\n"));
    assert_eq!(told.content_type, "text/x.tlog.size");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    for (old, new) in [(0, 7), (0, 20), (6, 20), (8, 20), (3, 5)] {
        let told = world.post(&request(&ledger, old, new)).await;
        assert_eq!((told.status, told.body.as_str()), (409, "7\n"), "{old} to {new}");
    }
}

#[tokio::test]
async fn a_proof_that_does_not_hold_and_a_second_root_are_422() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(20, "leaf"), ledger(20, "forged"));
    assert_eq!(world.post(&request(&honest, 0, 7)).await.status, 200);
    let mut wrong = request(&honest, 7, 20);
    wrong.proof.swap(0, 1);
    assert_eq!(world.post(&wrong).await.status, 422);
    wrong.proof.clear();
    assert_eq!(world.post(&wrong).await.status, 422);
    assert_eq!(world.post(&request(&forged, 7, 20)).await.status, 422);
    assert_eq!(world.post(&request(&forged, 7, 7)).await.status, 422);
    let mut padded = request(&honest, 7, 7);
    padded.proof = honest.consistency(TreeSize(7), TreeSize(20));
    assert_eq!(
        world.post(&padded).await.status,
        422,
        "no proof belongs between equal sizes"
    );
    assert_eq!(world.latest().await.unwrap().checkpoint().size, TreeSize(7));
    assert_eq!(
        world.post(&request(&honest, 7, 20)).await.status,
        200,
        "the honest one goes on"
    );
}

#[tokio::test]
async fn other_methods_and_long_bodies_are_refused() {
    let world = World::for_tiny_ledgers().await;
    for (method, path) in [
        ("GET", "/add-checkpoint"),
        ("PUT", "/add-checkpoint"),
        ("POST", "/x/checkpoint"),
    ] {
        assert_eq!(
            world.http().send(method, path, b"").await.status,
            405,
            "{method} {path}"
        );
    }
    let long = vec![b'a'; dab_ledger::witness::REQUEST_BYTES_MAX + 1];
    assert_eq!(world.http().send("POST", "/add-checkpoint", &long).await.status, 413);
}

#[tokio::test]
async fn foreign_lines_under_a_checkpoint_are_neither_kept_nor_served() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(3, "leaf");
    let mut asked = request(&ledger, 0, 3);
    let stranger = SigningKey::generate_cosigner("stranger", &[5; 32]).unwrap();
    asked
        .checkpoint
        .add(ledger.checkpoint().checkpoint().cosign(&stranger, 1).unwrap())
        .unwrap();
    assert_eq!(world.post(&asked).await.status, 200);
    let names: Vec<_> = world
        .latest()
        .await
        .unwrap()
        .note()
        .signatures()
        .iter()
        .map(|line| line.name.clone())
        .collect();
    assert_eq!(names, ["dab/test", "witness.example/w1"]);
}

/// Each of them had one of the places that requests are decided in, before a byte of its body came: 32 from one address
/// shut the witness.
#[tokio::test]
async fn clients_that_send_no_body_keep_nobody_out() {
    const STALLED: usize = 64;
    let world = World::for_tiny_ledgers().await;
    let mut stalled = Vec::new();
    for _ in 0..STALLED {
        let mut stream = TcpStream::connect(world.http().0).await.unwrap();
        let head = "POST /add-checkpoint HTTP/1.1\r\nhost: w\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // the witness says so when it begins to wait for the body
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        stalled.push(stream);
    }
    let told = world.post(&request(&ledger(3, "leaf"), 0, 3)).await;
    assert_eq!(told.status, 200, "{}", told.body);
}
