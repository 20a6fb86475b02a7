//! The ledger's side, against a real witness and against one that lies; and a real node's checkpoints and tiles.

use std::sync::Arc;
use std::thread::ThreadId;

use async_trait::async_trait;
use dab_ledger::reader::LedgerReader;
use dab_ledger::testing::TestLedger;
use dab_ledger::witness::{AddCheckpoint, HttpAnswer, WitnessClient, WitnessError, WitnessHttp};
use dab_proof::checkpoint::SignedCheckpoint;
use dab_proof::files::DirSource;
use dab_proof::note::{NoteSignature, SigningKey, VerifierKey};
use dab_proof::policy::Policy;
use dab_proof::source::Source;
use dab_proof::testing::{MemorySource, TinyLedger};
use dab_proof::tile::{TilePath, encode_tile, new_tiles, read_tile};
use dab_proof::tree::TreeSize;
use parking_lot::Mutex;

use crate::world::{HandClock, NOW_UNIX_S, World, ledger, request};

fn client(world: &World) -> WitnessClient {
    let (key, http) = (world.witness().verifier().clone(), Arc::new(world.http().clone()));
    WitnessClient::new(key, http, world.clock.clone())
}

/// The checkpoint with these lines under it, by the policy of a ledger with this one witness.
fn certify(log: &VerifierKey, witness: &VerifierKey, mut signed: SignedCheckpoint, lines: Vec<NoteSignature>) -> u64 {
    let policy = format!("log {log}\nwitness w {witness}\nquorum w\n");
    let policy = Policy::parse(policy).unwrap();
    assert!(policy.verify(&signed).is_err(), "uncertified without the witness");
    lines.into_iter().for_each(|line| signed.add(line).unwrap());
    let certification = policy.verify(&signed).unwrap();
    assert!(!certification.alone);
    policy.quorum_time_unix_s(&certification).unwrap()
}

#[tokio::test]
async fn a_node_s_checkpoints_are_certified_by_a_witness() {
    let node = TestLedger::start();
    let log = node.node().trust().policy.logs()[0].key.clone();
    let world = World::start(vec![log.clone()]).await;
    let mut client = client(&world);
    for round in 0..12 {
        for leaf in 0..round {
            node.notarize(&format!("table/{leaf}"), "body").await;
        }
        if round == 0 {
            continue;
        }
        let tiles = DirSource::new(node.node().public_dir());
        let signed = node.node().checkpoint().await.unwrap();
        let lines = client.cosign(&signed, &tiles).await.unwrap();
        let time = certify(&log, world.witness().verifier(), signed.clone(), lines);
        assert_eq!(time, NOW_UNIX_S);
        assert_eq!(world.latest().await.unwrap().checkpoint(), signed.checkpoint());
    }
}

#[tokio::test]
async fn a_client_without_memory_learns_where_to_start() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(600, "leaf");
    for size in [1, 7, 7, 255, 256, 600] {
        let mut fresh = client(&world);
        let signed = ledger.checkpoint_at(TreeSize(size));
        let lines = fresh.cosign(&signed, &tiles_at(&ledger, size)).await.unwrap();
        assert_eq!(lines.len(), 1);
    }
}

/// Tiles that note on which threads they are read.
#[derive(Clone)]
struct Watched(MemorySource, Arc<Mutex<Vec<ThreadId>>>);

impl Source for Watched {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, dab_proof::Error> {
        self.1.lock().push(std::thread::current().id());
        self.0.read(path)
    }
}

/// A slow disk under the tiles kept every other task of the runtime waiting.
#[tokio::test]
async fn tiles_are_not_read_on_the_runtime_s_own_thread() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    let mut client = client(&world);
    let read = Arc::default();
    for size in [3, 20] {
        let tiles = Watched(tiles_at(&ledger, size), Arc::clone(&read));
        client
            .cosign(&ledger.checkpoint_at(TreeSize(size)), &tiles)
            .await
            .unwrap();
    }
    let read = read.lock();
    assert!(!read.is_empty() && !read.contains(&std::thread::current().id()));
}

#[tokio::test]
async fn another_who_asks_meanwhile_does_not_stop_it() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    let mut client = client(&world);
    client
        .cosign(&ledger.checkpoint_at(TreeSize(3)), &tiles_at(&ledger, 3))
        .await
        .unwrap();
    assert_eq!(world.post(&request(&ledger, 3, 9)).await.status, 200);
    client
        .cosign(&ledger.checkpoint_at(TreeSize(12)), &tiles_at(&ledger, 12))
        .await
        .unwrap();
    assert_eq!(world.post(&request(&ledger, 12, 15)).await.status, 200);
    let refused = client
        .cosign(&ledger.checkpoint_at(TreeSize(13)), &tiles_at(&ledger, 13))
        .await
        .unwrap_err();
    let WitnessError::Ahead { cosigned, offered, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!((cosigned.0, offered.0), (15, 13));
    client
        .cosign(&ledger.checkpoint_at(TreeSize(20)), &ledger.public())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_fork_is_refused_in_the_witness_s_words() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(7, "leaf"), ledger(20, "forged"));
    client(&world)
        .cosign(&honest.checkpoint(), &honest.public())
        .await
        .unwrap();
    for size in [7, 20] {
        let refused = client(&world)
            .cosign(&forged.checkpoint_at(TreeSize(size)), &tiles_at(&forged, size))
            .await;
        let Err(WitnessError::Inconsistent { witness, .. }) = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!(witness, "witness.example/w1");
    }
}

#[tokio::test]
async fn a_witness_that_is_gone_or_does_not_know_the_ledger_is_told_apart() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    let mut nobody = WitnessClient::new(
        world.witness().verifier().clone(),
        Arc::new(Scripted::default()),
        world.clock.clone(),
    );
    let refused = nobody.cosign(&ledger.checkpoint(), &ledger.public()).await.unwrap_err();
    assert!(matches!(refused, WitnessError::Unreachable { .. }), "{refused}");

    let foreign = SigningKey::generate("dab/elsewhere", &[1; 32]).unwrap();
    let mut head = ledger.checkpoint().checkpoint().clone();
    head.origin = "dab/elsewhere".to_owned();
    let refused = client(&world)
        .cosign(&head.sign(&foreign).unwrap(), &ledger.public())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, WitnessError::Refused { status: 404, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_witness_that_forgot_is_found_out_by_the_client_that_remembers() {
    let ledger = ledger(20, "leaf");
    let key = SigningKey::generate_cosigner("witness.example/w1", &[1; 32]).unwrap();
    let script = Arc::new(Scripted::default());
    let mut client = WitnessClient::new(key.verifier().clone(), script.clone(), HandClock::at(NOW_UNIX_S));
    script.say(200, &cosigned(&ledger, 12, &key, NOW_UNIX_S));
    client
        .cosign(&ledger.checkpoint_at(TreeSize(12)), &tiles_at(&ledger, 12))
        .await
        .unwrap();
    script.say(409, "7\n");
    let refused = client.cosign(&ledger.checkpoint(), &ledger.public()).await.unwrap_err();
    let WitnessError::RolledBack { cosigned, says, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!((cosigned, says), (TreeSize(12), TreeSize(7)));
}

#[tokio::test]
async fn answers_that_do_not_hold_are_not_given_on() {
    let ledger = ledger(7, "leaf");
    let key = SigningKey::generate_cosigner("witness.example/w1", &[1; 32]).unwrap();
    let good = cosigned(&ledger, 7, &key, NOW_UNIX_S);
    let foreign = cosigned(
        &ledger,
        7,
        &SigningKey::generate_cosigner("other", &[2; 32]).unwrap(),
        NOW_UNIX_S,
    );
    let script = Arc::new(Scripted::default());
    let mut client = WitnessClient::new(key.verifier().clone(), script.clone(), HandClock::at(NOW_UNIX_S));
    let (signed, tiles) = (ledger.checkpoint(), ledger.public());
    for (status, answer) in [
        (200, String::new()),
        (200, "no line\n".to_owned()),
        (200, foreign.clone()),
        (200, cosigned(&ledger, 6, &key, NOW_UNIX_S)),
        (200, cosigned(&ledger, 7, &key, NOW_UNIX_S + 3600)),
        (409, "seven\n".to_owned()),
        (409, "7".to_owned()),
        (409, "9223372036854775809\n".to_owned()),
    ] {
        script.say(status, &answer);
        let refused = client.cosign(&signed, &tiles).await.unwrap_err();
        assert!(
            matches!(refused, WitnessError::BadAnswer { .. }),
            "{answer:?}: {refused}"
        );
    }
    // one that never agrees with itself is not asked for ever
    for size in [1, 2, 3, 4] {
        script.say(409, &format!("{size}\n"));
    }
    let refused = client.cosign(&signed, &tiles).await.unwrap_err();
    assert!(refused.to_string().contains("another size 4 times"), "{refused}");
    script.say(503, "busy\u{1b}[2J\n");
    let refused = client.cosign(&signed, &tiles).await.unwrap_err().to_string();
    assert!(refused.contains("503") && !refused.contains('\u{1b}'), "{refused}");
    // lines by others are left aside
    script.say(200, &format!("{foreign}{good}"));
    let lines = client.cosign(&signed, &tiles).await.unwrap();
    assert_eq!(lines.iter().map(NoteSignature::line).collect::<String>(), good);
}

#[tokio::test]
async fn a_request_from_damaged_tiles_names_them() {
    let ledger = ledger(20, "leaf");
    let script = Arc::new(Scripted::default());
    let key = SigningKey::generate_cosigner("witness.example/w1", &[1; 32]).unwrap();
    let mut client = WitnessClient::new(key.verifier().clone(), script.clone(), HandClock::at(NOW_UNIX_S));
    script.say(409, "7\n");
    let mut tiles = ledger.public();
    tiles.files.remove("tile/0/000.p/20");
    let refused = client.cosign(&ledger.checkpoint(), &tiles).await.unwrap_err();
    assert!(
        matches!(refused, WitnessError::Tiles { .. }) && refused.to_string().contains("tile/0/000.p/20"),
        "{refused}"
    );
}

/// A witness that says what it is told to say, and nothing when it is out of words.
#[derive(Debug, Default)]
struct Scripted(Mutex<std::collections::VecDeque<HttpAnswer>>);

impl Scripted {
    fn say(&self, status: u16, body: &str) {
        let body = body.as_bytes().to_vec();
        self.0.lock().push_back(HttpAnswer { status, body });
    }
}

#[async_trait]
impl WitnessHttp for Scripted {
    async fn add_checkpoint(&self, body: Vec<u8>) -> Result<HttpAnswer, String> {
        AddCheckpoint::parse(&body).expect("a well formed request");
        self.0.lock().pop_front().ok_or_else(|| "nobody listens".to_owned())
    }
}

/// The tiles of a tree at an earlier size: of all that there were, those that it has.
fn tiles_at(ledger: &TinyLedger, size: u64) -> MemorySource {
    let mut source = ledger.public();
    for tile in new_tiles(TreeSize(0), TreeSize(size)) {
        let mut hashes = read_tile(
            &ledger.public(),
            TilePath::holding(tile.level(), tile.index() * 256, ledger.size()).unwrap(),
        )
        .unwrap();
        hashes.truncate(tile.width() as usize);
        source.files.insert(tile.to_string(), encode_tile(&hashes));
    }
    source
}

fn cosigned(ledger: &TinyLedger, size: u64, key: &SigningKey, time_unix_s: u64) -> String {
    let signed = ledger.checkpoint_at(TreeSize(size));
    signed.checkpoint().cosign(key, time_unix_s).unwrap().line()
}
