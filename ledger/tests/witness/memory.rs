//! A witness remembers what it cosigned: through races, crashes and restarts. And where its memory was taken, it notices.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use dab_ledger::Error;
use dab_ledger::testing::copy_dir;
use dab_ledger::witness::Answer;
use dab_proof::tree::TreeSize;

use crate::world::{NOW_UNIX_S, World, ledger, log_hash, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_requests_from_one_size_exactly_one_wins() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(600, "leaf");
    let mut old = 0;
    for round in 0..20 {
        let racers: Vec<_> = (1..=6).map(|step| request(&ledger, old, old + step)).collect();
        let barrier = Barrier::new(racers.len());
        let witness = world.witness();
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let race = |racer: &dab_ledger::witness::AddCheckpoint| {
                let body = racer.to_bytes();
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    witness.add_checkpoint(&body)
                })
            };
            let threads: Vec<_> = racers.iter().map(race).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won: Vec<_> = (1..)
            .zip(&answers)
            .filter(|(_, answer)| matches!(answer, Answer::Cosigned(_)))
            .collect();
        assert_eq!(won.len(), 1, "round {round}: {answers:?}");
        let size = old + won[0].0;
        let lost = answers
            .iter()
            .filter(|answer| **answer == Answer::Conflict(TreeSize(size)));
        assert_eq!(lost.count(), 5, "round {round}: {answers:?}");
        assert_eq!(world.latest().await.unwrap().checkpoint().size, TreeSize(size));
        old = size;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_histories_that_race_only_one_is_ever_cosigned() {
    let world = World::for_tiny_ledgers().await;
    let (left, right) = (ledger(9, "left"), ledger(9, "right"));
    let (left, right) = (request(&left, 0, 9), request(&right, 0, 9));
    let (left, right) = tokio::join!(world.post(&left), world.post(&right));
    let mut statuses = [left.status, right.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn a_crash_between_persist_and_answer_is_made_up_for_by_asking_again() {
    let mut world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    // the answer is made, and lost: nobody hears it
    let lost = world.witness().add_checkpoint(&request(&ledger, 7, 12).to_bytes());
    assert!(matches!(lost, Answer::Cosigned(_)));
    drop(lost);
    world.restart().await;
    let told = world.post(&request(&ledger, 7, 12)).await;
    assert_eq!(
        (told.status, told.body.as_str()),
        (409, "12\n"),
        "durable before the answer"
    );
    let again = world.post(&request(&ledger, 12, 12)).await;
    assert_eq!(again.status, 200, "the same tree may be cosigned again");
    assert_eq!(
        world.post(&request(&self::ledger(20, "forged"), 12, 12)).await.status,
        422
    );
}

#[tokio::test]
async fn nothing_is_cosigned_that_cannot_be_made_durable() {
    let mut world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    let logs = world.state().join("logs");
    let aside = world.state().join("aside");
    fs::rename(&logs, &aside).unwrap();
    fs::write(&logs, b"in the way").unwrap();
    assert_eq!(world.post(&request(&ledger, 7, 12)).await.status, 500);
    assert_eq!(world.latest().await.unwrap().checkpoint().size, TreeSize(7));
    fs::remove_file(&logs).unwrap();
    fs::rename(&aside, &logs).unwrap();
    assert_eq!(world.post(&request(&ledger, 7, 12)).await.status, 200);
    world.restart().await;
    assert_eq!(world.latest().await.unwrap().checkpoint().size, TreeSize(12));
}

#[tokio::test]
async fn a_restart_has_the_same_key_and_the_same_last_checkpoint() {
    let mut world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    let (key, last) = (world.witness().verifier().clone(), world.latest().await);
    world.restart().await;
    assert_eq!((world.witness().verifier(), world.latest().await), (&key, last));
    let key = fs::metadata(world.state().join("cosigner.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn times_never_go_back_though_the_clock_does() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    world.clock.set(NOW_UNIX_S - 600);
    assert_eq!(world.post(&request(&ledger, 7, 12)).await.status, 200);
    let signed = world.latest().await.unwrap();
    let verified = signed
        .note()
        .verify("checkpoint", [world.witness().verifier()])
        .unwrap();
    assert_eq!(verified[0].time_unix_s, Some(NOW_UNIX_S));
}

/// A clock that was once set years ahead made every later cosignature claim that year: nobody could tell any more when the
/// ledger was last seen alive.
#[tokio::test]
async fn a_time_of_the_far_future_is_not_gone_on_from() {
    let world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    let now = NOW_UNIX_S - 601;
    world.clock.set(now);
    assert_eq!(world.post(&request(&ledger, 7, 12)).await.status, 200);
    let signed = world.latest().await.unwrap();
    let verified = signed
        .note()
        .verify("checkpoint", [world.witness().verifier()])
        .unwrap();
    assert_eq!(verified[0].time_unix_s, Some(now));
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_refused() {
    let world = World::for_tiny_ledgers().await;
    assert!(matches!(world.open(), Err(Error::Locked { .. })));
}

#[tokio::test]
async fn files_that_this_witness_did_not_write_are_refused_by_name() {
    let mut world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    world.crash().await;
    let path = world.state().join("logs").join(log_hash("dab/test")).join("checkpoint");
    let good = fs::read(&path).unwrap();
    // the log's own word is not this witness's
    for bad in [
        &b""[..],
        b"rubbish",
        &ledger.checkpoint_at(TreeSize(3)).to_bytes(),
        &good[..good.len() - 1],
    ] {
        fs::write(&path, bad).unwrap();
        let error = world.open().unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(&log_hash("dab/test")), "{error}");
    }
    fs::write(&path, good).unwrap();
    let key = world.state().join("cosigner.key");
    let secret = fs::read_to_string(&key).unwrap();
    fs::write(&key, format!("{}\n", ledger.log.to_text())).unwrap();
    assert!(world.open().unwrap_err().to_string().contains("no cosigner's key"));
    fs::write(&key, "rubbish\n").unwrap();
    let error = world.open().unwrap_err().to_string();
    assert!(
        error.contains("cosigner.key") && !error.contains(secret.trim()),
        "{error}"
    );
    fs::remove_file(&key).unwrap();
    let error = world.open().unwrap_err().to_string();
    assert!(
        error.contains("the key is missing, but"),
        "no new key over an old one's state: {error}"
    );
}

#[tokio::test]
async fn a_state_restored_from_an_old_copy_is_noticed_by_its_own_later_cosignature() {
    let mut world = World::for_tiny_ledgers().await;
    let ledger = ledger(20, "leaf");
    assert_eq!(world.post(&request(&ledger, 0, 7)).await.status, 200);
    world.crash().await;
    let copy = world.dir.path().join("copy");
    copy_dir(&world.state(), &copy);
    world.restart().await;
    assert_eq!(world.post(&request(&ledger, 7, 12)).await.status, 200);
    let cosigned = world.latest().await.unwrap();
    world.crash().await;
    fs::remove_dir_all(world.state()).unwrap();
    copy_dir(&copy, &world.state());
    world.restart().await;
    assert_eq!(
        world.latest().await.unwrap().checkpoint().size,
        TreeSize(7),
        "rolled back"
    );
    // a cosignature of a smaller tree is no news
    let mut asked = request(&ledger, 7, 7);
    asked.checkpoint = world.latest().await.unwrap();
    assert_eq!(world.post(&asked).await.status, 200);
    let mut asked = request(&ledger, 7, 12);
    asked.checkpoint = cosigned;
    let told = world.post(&asked).await;
    assert_eq!(told.status, 500);
    assert!(told.body.contains("lost its memory"), "{}", told.body);
    assert_eq!(
        world.post(&request(&ledger, 7, 20)).await.status,
        500,
        "it cosigns nothing more"
    );
    world.crash().await;
    let error = world.open().unwrap_err().to_string();
    assert!(
        error.contains("rolled-back") && error.contains("begin with another state directory"),
        "{error}"
    );
}
