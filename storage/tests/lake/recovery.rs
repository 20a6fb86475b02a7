//! What the next start finds, and what it makes of it. Killing a real process at each point is the whole-system tests'.

use std::fs;

use dab_storage::{TableVersion, VersionSpec};

use crate::world::World;

async fn with_two_commits() -> World {
    let world = World::new().await;
    world.create("t").await;
    world.append("t", &[(1, "one")]).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_commit_file_is_published_again_with_the_same_bytes() {
    let world = with_two_commits().await;
    let ratified = fs::read(world.commit_file("t", 1)).unwrap();
    fs::remove_file(world.commit_file("t", 1)).unwrap();
    let world = world.crash_and_reopen().await;
    assert_eq!(fs::read(world.commit_file("t", 1)).unwrap(), ratified);
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "1=one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_commit_file_is_replaced_at_every_length() {
    let mut world = with_two_commits().await;
    let ratified = fs::read(world.commit_file("t", 1)).unwrap();
    for length in [0, 1, ratified.len() / 2, ratified.len() - 1] {
        fs::write(world.commit_file("t", 1), &ratified[..length]).unwrap();
        world = world.crash_and_reopen().await;
        assert_eq!(
            fs::read(world.commit_file("t", 1)).unwrap(),
            ratified,
            "torn at {length}"
        );
    }
    assert_eq!(world.append("t", &[(2, "two")]).await.unwrap().version, TableVersion(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_file_lost_while_the_node_runs_is_still_read() {
    let world = with_two_commits().await;
    fs::remove_file(world.commit_file("t", 1)).unwrap();
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "1=one");
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_crash_are_removed() {
    let world = with_two_commits().await;
    let log = world.folder("t").join("_delta_log");
    fs::create_dir_all(log.join("_staged_commits")).unwrap();
    let staged = log.join("_staged_commits/00000000000000000002.00000000-0000-4000-8000-000000000000.json");
    fs::write(&staged, "{}").unwrap();
    fs::write(log.join(".tmp-0123"), "{").unwrap();
    let world = world.crash_and_reopen().await;
    assert!(!staged.exists() && !log.join(".tmp-0123").exists());
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "1=one");
}
