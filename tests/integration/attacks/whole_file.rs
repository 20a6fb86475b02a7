//! Attacks on whole files: removed, emptied, exchanged, encoded anew.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use bytes::Bytes;
use dab_proof::report::Verdict;
use dab_tests::offline::Evidence;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{Attack, VERSION, ledger, receipt, table};
use crate::tamper::is_current;

const COMMIT: &str = "version 2, 00000000000000000002.json";

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "commit file: emptied",
        forge: |evidence, _| commit(evidence, VERSION).clear(),
        check: table,
        verdict: Verdict::Invalid,
        words: &[COMMIT, "is not the notarized one"],
    },
    Attack {
        name: "commit file: that of the version before",
        forge: |evidence, made| *commit(evidence, VERSION) = made.evidence.table.commits[&(VERSION - 1)].clone(),
        check: table,
        verdict: Verdict::Invalid,
        words: &[COMMIT],
    },
    Attack {
        name: "commit file: that of another table",
        forge: |evidence, made| *commit(evidence, VERSION) = made.other.table.commits[&0].clone(),
        check: receipt,
        verdict: Verdict::Invalid,
        words: &[COMMIT],
    },
    Attack {
        name: "commit file: the same JSON with a blank",
        forge: |evidence, _| commit(evidence, VERSION).insert(1, b' '),
        check: table,
        verdict: Verdict::Invalid,
        words: &[COMMIT],
    },
    Attack {
        name: "data file: removed",
        forge: |evidence, _| {
            let path = data_path(evidence, VERSION);
            evidence.table.data.remove(&path);
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, part-", "is missing"],
    },
    Attack {
        name: "data file: emptied",
        forge: |evidence, _| data(evidence, VERSION).clear(),
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, part-", "it has 0 bytes"],
    },
    Attack {
        name: "data files: two of one table exchanged",
        forge: |evidence, _| {
            let (one, two) = (data(evidence, 1).clone(), data(evidence, VERSION).clone());
            *data(evidence, 1) = two;
            *data(evidence, VERSION) = one;
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &[
            "version 1, part-",
            "version 2, part-",
            "is not the one that this version added",
        ],
    },
    Attack {
        name: "data file: one of another table",
        forge: |evidence, made| {
            let other = made.other.table.data.values().next().expect("the other table has rows");
            *data(evidence, VERSION) = other.clone();
        },
        check: receipt,
        verdict: Verdict::Invalid,
        words: &["version 2, part-", "the data file is not the one that was added"],
    },
    Attack {
        name: "data file: the same rows encoded anew",
        forge: |evidence, _| rewrite(evidence, 0),
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, part-"],
    },
    Attack {
        name: "data file: another amount in valid Parquet",
        forge: |evidence, _| rewrite(evidence, 1_000_000),
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, part-"],
    },
    Attack {
        name: "data file: another amount, the commit put right",
        forge: |evidence, _| {
            rewrite(evidence, 1_000_000);
            put_commit_right(evidence);
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &[COMMIT, "the list of added files is not the notarized one"],
    },
    Attack {
        name: "data file: another amount, the commit put right, one receipt checked",
        forge: |evidence, _| {
            rewrite(evidence, 1_000_000);
            put_commit_right(evidence);
        },
        check: receipt,
        verdict: Verdict::Invalid,
        words: &[COMMIT],
    },
    Attack {
        name: "tile: removed",
        forge: |evidence, _| remove_public(evidence, "tile/0/"),
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["tile/0/000.p/", "it is missing"],
    },
    Attack {
        name: "entry bundle: removed",
        forge: |evidence, _| remove_public(evidence, "tile/entries/"),
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["tile/entries/000.p/", "it is missing"],
    },
    Attack {
        name: "entry bundle: removed, the table audited",
        forge: |evidence, _| remove_public(evidence, "tile/entries/"),
        check: table,
        verdict: Verdict::Invalid,
        words: &["tile/entries/000.p/"],
    },
    Attack {
        name: "checkpoint: removed",
        forge: |evidence, _| remove_public(evidence, "checkpoint"),
        check: ledger,
        verdict: Verdict::Undecided,
        words: &["there is no ledger here"],
    },
    Attack {
        name: "checkpoint: emptied",
        forge: |evidence, _| {
            evidence
                .public
                .files
                .get_mut("checkpoint")
                .expect("it is there")
                .clear()
        },
        check: ledger,
        verdict: Verdict::Invalid,
        words: &["checkpoint"],
    },
    Attack {
        name: "proof: emptied",
        forge: |evidence, _| evidence.proofs[VERSION as usize].clear(),
        check: receipt,
        verdict: Verdict::Invalid,
        words: &["receipt"],
    },
    Attack {
        name: "proof: that of the version after",
        forge: |evidence, made| evidence.proofs[VERSION as usize] = made.evidence.proofs[VERSION as usize + 1].clone(),
        check: receipt,
        verdict: Verdict::Invalid,
        words: &["is not the notarized one"],
    },
    Attack {
        name: "proof: that of another table",
        forge: |evidence, made| evidence.proofs[VERSION as usize] = made.other.proofs[0].clone(),
        check: receipt,
        verdict: Verdict::Invalid,
        words: &["is not the notarized one"],
    },
    Attack {
        name: "public files: a partial tile of an earlier size is changed",
        forge: |evidence, made| {
            let leftover = |path: &String| path.starts_with("tile/0/") && !is_current(&made.evidence, path);
            let path = made.evidence.public.files.keys().find(|path| leftover(path)).cloned();
            let path = path.unwrap_or_else(|| "tile/0/000.p/1".to_owned());
            evidence.public.files.insert(path, vec![0; 32]);
        },
        check: ledger,
        verdict: Verdict::Valid,
        words: &[],
    },
];

fn commit(evidence: &mut Evidence, version: u64) -> &mut Vec<u8> {
    evidence
        .table
        .commits
        .get_mut(&version)
        .expect("the table has this version")
}

/// The path of the one data file that a version added.
fn data_path(evidence: &Evidence, version: u64) -> String {
    let text = String::from_utf8_lossy(&evidence.table.commits[&version]).into_owned();
    let added = evidence.table.data.keys().find(|path| text.contains(path.as_str()));
    added.expect("the version added a file").clone()
}

fn data(evidence: &mut Evidence, version: u64) -> &mut Vec<u8> {
    let path = data_path(evidence, version);
    evidence.table.data.get_mut(&path).expect("it is there")
}

/// Writes the rows of the version's data file again, the first amount raised.
fn rewrite(evidence: &mut Evidence, raise: i64) {
    let honest = data(evidence, VERSION).clone();
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(honest)).expect("it is Parquet");
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader
        .build()
        .and_then(|reader| Ok(reader.collect::<Result<_, _>>()?))
        .expect("it is Parquet");
    let mut forged = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut forged, schema.clone(), None).expect("its schema can be written");
    for batch in batches {
        let amounts = batch
            .column(1)
            .as_any()
            .downcast_ref::<Int64Array>()
            .expect("amounts are integers");
        let raised = amounts
            .iter()
            .enumerate()
            .map(|(row, amount)| amount.map(|a| a + if row == 0 { raise } else { 0 }));
        let columns = vec![batch.column(0).clone(), Arc::new(raised.collect::<Int64Array>()) as _];
        writer
            .write(&RecordBatch::try_new(schema.clone(), columns).expect("the same schema"))
            .expect("memory takes it");
    }
    writer.close().expect("memory takes it");
    assert_ne!(&forged, data(evidence, VERSION), "another writer leaves other bytes");
    *data(evidence, VERSION) = forged;
}

/// Corrects size and digest in the version's commit file.
fn put_commit_right(evidence: &mut Evidence) {
    let forged = data(evidence, VERSION).clone();
    let text = String::from_utf8(commit(evidence, VERSION).clone()).expect("a commit file is text");
    let lines = text.lines().map(|line| {
        let mut action: serde_json::Value = serde_json::from_str(line).expect("a line of a commit is JSON");
        if let Some(add) = action.get_mut("add") {
            add["size"] = forged.len().into();
            add["tags"]["dab.blake3"] = dab_proof::leaf::BodyDigest::of(&forged)
                .blake3
                .map(|byte| format!("{byte:02x}"))
                .concat()
                .into();
        }
        format!("{action}\n")
    });
    *commit(evidence, VERSION) = lines.collect::<String>().into_bytes();
}

/// Removes the public file that the checkpoint needs, by the beginning of its path.
fn remove_public(evidence: &mut Evidence, beginning: &str) {
    let path = evidence
        .public
        .files
        .keys()
        .find(|path| path.starts_with(beginning) && is_current(evidence, path))
        .cloned();
    evidence.public.files.remove(&path.expect("the ledger has such a file"));
}
