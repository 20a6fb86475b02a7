//! Names: given, freed, given again.

use dab_storage::{Error, TableVersion, VersionSpec};

use crate::world::{World, context, name, new_table};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_version_zero_are_ratified_together_or_not_at_all() {
    let world = World::new().await;
    let created = world.create("t").await;
    let again = world
        .lake
        .create(new_table("t"), &context("CREATE TABLE"))
        .await
        .unwrap_err();
    assert!(matches!(again, Error::TableExists { .. }), "{again}");
    let reader = &world.lake.ledger().reader;
    let catalog = reader
        .head(&dab_proof::leaf::Subject::catalog())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(catalog.sequence, 0, "the refused creation left a record");
    assert_eq!(
        catalog.leaf_index.0,
        created.receipt.index.0 + 1,
        "the name is not in the same entry"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creations_of_one_name_exactly_one_wins() {
    let world = World::new().await;
    let context = context("CREATE TABLE");
    let results = futures::future::join_all((0..8).map(|_| world.lake.create(new_table("t"), &context))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(
        results
            .iter()
            .flat_map(|result| result.as_ref().err())
            .all(|e| matches!(e, Error::TableExists { .. }))
    );
    assert_eq!(world.lake.tables().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_leaves_its_files_and_its_name_can_be_taken_again() {
    let world = World::new().await;
    let first = world.create("t").await;
    world.append("t", &[(1, "one")]).await.unwrap();
    world.lake.drop_table(&name("t"), None).await.unwrap();
    assert!(matches!(
        world.lake.table(&name("t")).await.unwrap_err(),
        Error::TableNotFound { .. }
    ));
    assert!(matches!(
        world.lake.drop_table(&name("t"), None).await.unwrap_err(),
        Error::TableNotFound { .. }
    ));
    assert!(
        world.commit_file("t", 1).exists(),
        "the dropped table's evidence is gone"
    );
    let dropped = world.lake.dropped().await.unwrap();
    assert_eq!((dropped.len(), dropped[0].id), (1, first.id));
    let history = world.lake.history(&dropped[0]).await.unwrap();
    assert_eq!(
        history.iter().map(|commit| commit.version.0).collect::<Vec<_>>(),
        [1, 0]
    );
    let second = world.create("t").await;
    assert_ne!(first.id, second.id);
    assert_eq!(second.version, TableVersion(0));
    let world = world.crash_and_reopen().await;
    assert_eq!(world.rows("t", VersionSpec::Latest).await.unwrap(), "");
    assert_eq!(world.table("t").await.id(), second.id);
    assert_eq!(
        world.table("t").await.path(),
        format!("t-{}", &second.id.to_string()[..8])
    );
}
