//! Commits: what they bind, what readers see, what happens when writers race.

use std::fs;

use dab_proof::commit_file::CommitFile;
use dab_proof::leaf::BodyDigest;
use dab_storage::{Error, TableVersion, VersionSpec};

use crate::world::{World, context, input, new_table};

#[tokio::test(flavor = "multi_thread")]
async fn an_append_binds_its_file_its_parent_and_its_user() {
    let world = World::new().await;
    let created = world.create("t").await;
    assert_eq!(created.version, TableVersion(0));
    let committed = world.append("t", &[(1, "one"), (2, "two")]).await.unwrap();
    assert_eq!((committed.version, committed.rows), (TableVersion(1), 2));

    let bytes = fs::read(world.commit_file("t", 1)).unwrap();
    let leaf = committed.receipt.leaf.leaf();
    assert!(
        leaf.body.matches(&bytes),
        "the receipt speaks about other bytes than those published"
    );
    assert_eq!(leaf.body, BodyDigest::of(&bytes));
    assert_eq!(leaf.operation, "INSERT");
    assert_eq!(leaf.parent, Some(created.receipt.leaf.hash()));

    let commit = CommitFile::parse(&bytes).unwrap();
    assert_eq!(commit.files_root().unwrap(), leaf.files);
    let add = &commit.adds[0];
    let file = fs::read(world.folder("t").join(&add.path)).unwrap();
    assert_eq!(add.size, file.len() as u64);
    assert_eq!(add.blake3, Some(*blake3::hash(&file).as_bytes()));
    let dab = commit.dab.unwrap();
    assert_eq!((dab.version, dab.user.as_deref()), (1, Some("ann")));
    assert_eq!(dab.table_id, created.id.to_string());
    assert_eq!(dab.previous, Some(created.receipt.leaf.hash()));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_travel_reads_the_rows_of_that_version_or_time() {
    let world = World::new().await;
    world.create("t").await;
    world.append("t", &[(1, "one")]).await.unwrap();
    world.append("t", &[(2, "two")]).await.unwrap();
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "1=one 2=two");
    assert_eq!(
        world.rows("t", VersionSpec::Version(TableVersion(1))).await.unwrap(),
        "1=one"
    );
    assert_eq!(
        world.rows("t", VersionSpec::Version(TableVersion(0))).await.unwrap(),
        ""
    );

    let history = world.table("t").await.history(None).await.unwrap();
    let times: Vec<i64> = history.iter().rev().map(|commit| commit.timestamp_unix_ms).collect();
    assert!(
        times.is_sorted_by(|a, b| a < b),
        "times do not grow with versions: {times:?}"
    );
    assert_eq!(
        world.rows("t", VersionSpec::Timestamp(times[1])).await.unwrap(),
        "1=one"
    );
    assert_eq!(
        world.rows("t", VersionSpec::Timestamp(times[2] - 1)).await.unwrap(),
        "1=one"
    );
    assert_eq!(
        world.rows("t", VersionSpec::Timestamp(i64::MAX)).await.unwrap(),
        "1=one 2=two"
    );
    let before = world.rows("t", VersionSpec::Timestamp(times[0] - 1)).await.unwrap_err();
    assert!(matches!(before, Error::TimestampBeforeFirstVersion { .. }), "{before}");
    let after = world
        .rows("t", VersionSpec::Version(TableVersion(3)))
        .await
        .unwrap_err();
    assert_eq!(after.to_string(), "table t has no version 3: its latest is 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_as_has_its_rows_in_version_zero_and_overwrite_replaces_them() {
    let world = World::new().await;
    let created = world
        .lake
        .create_as(new_table("t"), input(&[(7, "seven")]), &context("CREATE TABLE AS"))
        .await
        .unwrap();
    assert_eq!((created.version, created.rows), (TableVersion(0), 1));
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "7=seven");
    let table = world.table("t").await;
    let over = table
        .overwrite(input(&[(8, "eight")]), &context("OVERWRITE"))
        .await
        .unwrap();
    assert_eq!(over.version, TableVersion(1));
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "8=eight");
    assert_eq!(
        world.rows("t", VersionSpec::Version(TableVersion(0))).await.unwrap(),
        "7=seven"
    );
    let latest = &table.history(Some(1)).await.unwrap()[0];
    assert_eq!(
        (latest.files_added, latest.files_removed, latest.rows_added),
        (1, 1, Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_writers_of_one_table_all_commit_and_none_is_doubled() {
    let world = World::new().await;
    world.create("t").await;
    let writers = (0..8).map(|writer| {
        let world = &world;
        async move {
            for round in 0..4 {
                world.append("t", &[(writer * 10 + round, "row")]).await.unwrap();
            }
        }
    });
    futures::future::join_all(writers).await;
    let rows = world.rows("t", VersionSpec::Latest).await.unwrap();
    assert_eq!(rows.split(' ').count(), 32, "{rows}");
    let history = world.table("t").await.history(None).await.unwrap();
    assert_eq!(history.len(), 33);
    let mut leaves: Vec<u64> = history.iter().map(|commit| commit.leaf_index.0).collect();
    leaves.dedup();
    assert_eq!(leaves.len(), 33, "two versions share a leaf");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_commit_file_fails_the_read_and_names_the_version() {
    let world = World::new().await;
    world.create("t").await;
    world.append("t", &[(1, "one")]).await.unwrap();
    let path = world.commit_file("t", 1);
    let forged = fs::read_to_string(&path)
        .unwrap()
        .replacen("\"INSERT\"", "\"UPSERT\"", 1);
    fs::write(&path, forged).unwrap();
    let world = world.crash_and_reopen().await;
    let error = world.rows("t", VersionSpec::Latest).await.unwrap_err().to_string();
    assert!(
        error.contains("version 1") && error.contains("not what the ledger ratified"),
        "{error}"
    );
    assert_eq!(
        world.rows("t", VersionSpec::Version(TableVersion(0))).await.unwrap(),
        ""
    );
    assert!(
        world.append("t", &[(2, "two")]).await.is_err(),
        "a write went on top of a forged commit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_commit_and_a_planted_log_checkpoint_are_invisible() {
    let world = World::new().await;
    world.create("t").await;
    world.append("t", &[(1, "one")]).await.unwrap();
    let foreign = fs::read_to_string(world.commit_file("t", 1))
        .unwrap()
        .replace("part-00000", "part-99999");
    fs::write(world.commit_file("t", 2), foreign).unwrap();
    fs::write(
        world.folder("t").join("_delta_log/_last_checkpoint"),
        "{\"version\":1,\"size\":1}",
    )
    .unwrap();
    fs::write(
        world
            .folder("t")
            .join("_delta_log/00000000000000000001.checkpoint.parquet"),
        "PAR1",
    )
    .unwrap();
    let world = world.crash_and_reopen().await;
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "1=one");
    // The foreign file stands where version 2 belongs, so nothing is committed until it is gone.
    let error = world.append("t", &[(2, "two")]).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::ForeignCommit {
                version: TableVersion(2),
                ..
            }
        ),
        "{error}"
    );
    fs::remove_file(world.commit_file("t", 2)).unwrap();
    assert_eq!(world.append("t", &[(2, "two")]).await.unwrap().version, TableVersion(2));
}
