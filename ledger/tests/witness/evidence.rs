//! What contradicts a cosigned checkpoint is kept, so that a third party can check it.

use std::fs;
use std::path::{Path, PathBuf};

use dab_proof::files::fork_files;
use dab_proof::note::SigningKey;
use dab_proof::report::{Report, Verdict};
use dab_proof::testing::TinyLedger;
use dab_proof::tree::TreeSize;

use crate::world::{World, assert_closed, ledger, log_hash, request};

fn kept(world: &World) -> Vec<PathBuf> {
    let folder = world.state().join("evidence").join(log_hash("dab/test"));
    let found = fs::read_dir(folder).map(|found| found.map(|entry| entry.unwrap().path()).collect());
    let mut found: Vec<PathBuf> = found.unwrap_or_default();
    found.sort();
    found
}

/// What a third party concludes who has the folder and the trust directory.
fn judge(world: &World, folder: &Path, tiles: Option<&TinyLedger>) -> Report {
    let trust = world.dir.path().join("trust");
    let public = world.dir.path().join("public");
    for (path, bytes) in [
        (trust.join("policy"), TinyLedger::new().policy_text().into_bytes()),
        (trust.join("writers"), TinyLedger::new().writers_text().into_bytes()),
    ] {
        fs::create_dir_all(&trust).unwrap();
        fs::write(path, bytes).unwrap();
    }
    for (path, bytes) in tiles.into_iter().flat_map(|ledger| ledger.public().files) {
        let path = public.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let proof = Some(folder.join("proof")).filter(|proof| proof.exists());
    let public = tiles.map(|_| public.as_path());
    fork_files(
        &folder.join("first"),
        &folder.join("second"),
        &trust,
        proof.as_deref(),
        public,
    )
}

#[tokio::test]
async fn two_roots_of_one_size_are_kept_and_convict_the_log() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(7, "leaf"), ledger(7, "forged"));
    assert_eq!(world.post(&request(&honest, 0, 7)).await.status, 200);
    // whatever start it names, and however often
    for _ in 0..3 {
        assert_eq!(world.post(&request(&forged, 7, 7)).await.status, 422);
        assert_eq!(world.post(&request(&forged, 0, 7)).await.status, 409);
    }
    let kept = kept(&world);
    assert_eq!(kept.len(), 1);
    assert_closed(&world.state());
    let report = judge(&world, &kept[0], None);
    assert_eq!(report.verdict(), Verdict::Invalid, "{report}");
    assert!(report.to_string().contains("log dab/test (key id"), "{report}");
}

#[tokio::test]
async fn a_proof_from_another_history_convicts_the_log_by_itself() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(7, "leaf"), ledger(20, "forged"));
    assert_eq!(world.post(&request(&honest, 0, 7)).await.status, 200);
    assert_eq!(world.post(&request(&forged, 7, 20)).await.status, 422);
    let kept = kept(&world);
    assert_eq!(kept.len(), 1);
    assert!(kept[0].join("proof").exists());
    assert_eq!(judge(&world, &kept[0], None).verdict(), Verdict::Invalid);
}

#[tokio::test]
async fn a_true_checkpoint_with_a_false_proof_accuses_nobody_and_tiles_decide() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(20, "leaf"), ledger(20, "forged"));
    assert_eq!(world.post(&request(&honest, 0, 8)).await.status, 200);
    let mut nonsense = request(&honest, 8, 20);
    nonsense.proof.reverse();
    assert_eq!(world.post(&nonsense).await.status, 422);
    let first = kept(&world);
    assert_eq!(first.len(), 1);
    assert!(
        first[0].file_name().unwrap().to_str().unwrap().starts_with("unproven-"),
        "{first:?}"
    );
    assert_eq!(judge(&world, &first[0], None).verdict(), Verdict::Undecided);
    assert_eq!(judge(&world, &first[0], Some(&honest)).verdict(), Verdict::Valid);
    // a power of two: the proof itself does not show what it starts from, the tiles do
    assert_eq!(world.post(&request(&forged, 8, 20)).await.status, 422);
    let second = kept(&world).into_iter().find(|folder| !first.contains(folder)).unwrap();
    assert_eq!(judge(&world, &second, Some(&forged)).verdict(), Verdict::Invalid);
}

#[tokio::test]
async fn a_flood_of_nonsense_leaves_room_for_a_fork() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(120, "leaf"), ledger(7, "forged"));
    assert_eq!(world.post(&request(&honest, 0, 7)).await.status, 200);
    for size in 8..100 {
        let mut nonsense = request(&honest, 7, size);
        nonsense.proof.clear();
        assert_eq!(world.post(&nonsense).await.status, 422);
    }
    let flooded = kept(&world).len();
    assert!(flooded <= 64, "{flooded}");
    assert_eq!(world.post(&request(&forged, 7, 7)).await.status, 422);
    assert_eq!(kept(&world).len(), flooded + 1);
    assert_eq!(world.latest().await.unwrap().checkpoint().size, TreeSize(7));
}

/// Whoever sent a fork could put any lines beside the log's: they were kept as they came, and each was a piece of its own.
#[tokio::test]
async fn of_what_contradicts_only_the_log_s_own_lines_are_kept() {
    let world = World::for_tiny_ledgers().await;
    let (honest, forged) = (ledger(7, "leaf"), ledger(7, "forged"));
    assert_eq!(world.post(&request(&honest, 0, 7)).await.status, 200);
    let stranger = SigningKey::generate_cosigner("stranger", &[5; 32]).unwrap();
    for time in 1..4 {
        let mut sent = request(&forged, 7, 7);
        let line = forged.checkpoint().checkpoint().cosign(&stranger, time).unwrap();
        sent.checkpoint.add(line).unwrap();
        assert_eq!(world.post(&sent).await.status, 422);
    }
    let kept = kept(&world);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(
        fs::read(kept[0].join("second")).unwrap(),
        forged.checkpoint().to_bytes()
    );
}
