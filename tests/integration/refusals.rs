//! Wrong input gets a reason and changes nothing.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::scene::Scene;

#[test]
fn statements_that_cannot_run_are_refused_with_a_reason_and_change_nothing() {
    let scene = Scene::new();
    for (sql, words) in [
        ("SELEC 1", &["selec"][..]),
        ("SELECT 1; SELEC 2; SELECT 3", &["statement 2 of 3", "selec"]),
        ("SELECT * FROM nowhere", &["nowhere"]),
        ("SELECT nothing FROM t", &["nothing"]),
        ("INSERT INTO nowhere VALUES (1)", &["nowhere"]),
        ("INSERT INTO t VALUES (1)", &["got 1 values", "expected 2"]),
        ("CREATE TABLE t (id BIGINT)", &["table t", "exists"]),
        ("DROP TABLE nowhere", &["nowhere"]),
        ("DELETE FROM t", &["delete"]),
        ("UPDATE t SET id = 3", &["update"]),
        ("SELECT * FROM t VERSION AS OF 99", &["99"]),
        ("COPY t TO 'somewhere.csv'", &["copy"]),
    ] {
        scene.refuses(&["sql", "-c", sql], words);
    }
    scene.server.stop();
}

#[test]
fn tables_and_versions_that_are_not_there_are_named() {
    let scene = Scene::new();
    let out = scene.folder.path().join("proof").display().to_string();
    scene.refuses(&["history", "nowhere"], &["nowhere"]);
    scene.refuses(&["history", "dab.commits"], &["dab.commits is a system table"]);
    scene.refuses(&["history", "sales.t"], &["no schema sales", "public"]);
    scene.refuses(
        &["prove", "dab.commits@0", "-o", &out],
        &["dab.commits is a system table"],
    );
    scene.refuses(&["prove", "nowhere", "-o", &out], &["nowhere"]);
    scene.refuses(&["prove", "t@99", "-o", &out], &["99"]);
    scene.refuses(&["prove", "t@latest", "-o", &out], &["latest"]);
    scene.refuses(
        &["prove", "t", "-o", &format!("{out}/no/such/folder")],
        &["no/such/folder"],
    );
    assert!(!Path::new(&out).exists(), "a refused proof leaves no file");
    scene.server.stop();
}

#[test]
fn files_that_cannot_be_loaded_are_named_and_nothing_of_them_is() {
    let scene = Scene::new();
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(Int64Array::from(vec![3, 4]))),
        ("note", Arc::new(StringArray::from(vec!["c", "d"]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("two columns of two rows");
    let mut parquet = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut parquet, batch.schema(), None).expect("a schema that Parquet has");
    writer.write(&batch).expect("memory takes it");
    writer.close().expect("memory takes it");

    let files = [
        scene.file("torn.parquet", &parquet[..parquet.len() / 2]),
        scene.file("empty.parquet", b""),
        scene.file("noise.parquet", &[7; 300]),
        scene.file("torn.arrow", b"ARROW1\0\0torn"),
        scene.file("torn.csv", b"id,note\n3,c\n4,\"d\n"),
        scene.file("ragged.csv", b"id,note\n3,c,and more\n"),
        scene.file("torn.ndjson", b"{\"id\":3,\"note\":\"c\"}\n{\"id\":"),
        scene.file("other.csv", b"other,columns\n1,2\n"),
    ];
    for file in files {
        let name = file.file_name().expect("it has a name").to_string_lossy().into_owned();
        scene.refuses(
            &["load", "file", "t", &file.display().to_string()],
            &[if name == "other.csv" { "other" } else { &name }],
        );
    }
    scene.refuses(&["load", "file", "t", "nowhere.parquet"], &["nowhere.parquet"]);
    scene.refuses(
        &[
            "load",
            "file",
            "t",
            &scene.file("data.unknown", b"?").display().to_string(),
        ],
        &["unknown"],
    );
    scene.refuses(&["load", "file", "t", "ftp://127.0.0.1/x.csv"], &["ftp"]);
    // One bad input among good ones: none is loaded.
    let (good, bad) = (
        scene.file("good.parquet", &parquet),
        scene.folder.path().join("torn.parquet"),
    );
    scene.refuses(
        &[
            "load",
            "file",
            "t",
            &good.display().to_string(),
            &bad.display().to_string(),
        ],
        &["torn.parquet"],
    );
    scene
        .server
        .dab(&["load", "file", "t", &good.display().to_string()])
        .expect_code(0);
    scene.server.stop();
}
