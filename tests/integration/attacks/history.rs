//! Attacks on a table's history: shortened, renumbered, reordered, added to.

use dab_proof::commit_file::name_of;
use dab_proof::report::Verdict;

use super::{Attack, VERSION, table};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "history: the last commit removed",
        forge: |evidence, _| drop(evidence.table.commits.pop_last()),
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 3, 00000000000000000003.json", "is missing"],
    },
    Attack {
        name: "history: a commit in the middle removed",
        forge: |evidence, _| drop(evidence.table.commits.remove(&VERSION)),
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, 00000000000000000002.json", "is missing: removed"],
    },
    Attack {
        name: "history: the first commit removed",
        forge: |evidence, _| drop(evidence.table.commits.pop_first()),
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 0, 00000000000000000000.json"],
    },
    Attack {
        name: "history: all commits removed",
        forge: |evidence, _| evidence.table.commits.clear(),
        check: table,
        verdict: Verdict::Undecided,
        words: &["no commit file"],
    },
    Attack {
        name: "history: a commit removed, those after it renumbered",
        forge: |evidence, _| {
            let last = evidence.table.commits.remove(&(VERSION + 1)).expect("it is there");
            evidence.table.commits.insert(VERSION, last);
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &[
            "version 2, ",
            "names another table, version or previous leaf",
            "version 3, ",
        ],
    },
    Attack {
        name: "history: two commits exchanged",
        forge: |evidence, made| {
            for (to, from) in [(1, VERSION), (VERSION, 1)] {
                evidence
                    .table
                    .commits
                    .insert(to, made.evidence.table.commits[&from].clone());
            }
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 1, ", "version 2, "],
    },
    Attack {
        name: "history: a commit added",
        forge: |evidence, made| {
            let next = evidence.table.commits.len() as u64;
            evidence
                .table
                .commits
                .insert(next, made.evidence.table.commits[&VERSION].clone());
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &[
            "version 4, 00000000000000000004.json",
            "the ledger does not know this commit",
        ],
    },
    Attack {
        name: "history: a commit added far beyond the last",
        forge: |evidence, made| {
            evidence
                .table
                .commits
                .insert(1_000_000, made.evidence.table.commits[&VERSION].clone());
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 1000000, ", "the ledger does not know this commit"],
    },
    Attack {
        name: "history: a file removed by an added action",
        forge: |evidence, _| {
            let path = evidence.table.data.keys().next().expect("the table has files").clone();
            let action = format!("{{\"remove\":{{\"path\":\"{path}\",\"dataChange\":true}}}}\n");
            evidence
                .table
                .commits
                .get_mut(&3)
                .expect("it is there")
                .extend(action.into_bytes());
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 3, ", "is not the notarized one"],
    },
    Attack {
        name: "history: an added file left out",
        forge: |evidence, _| {
            let commit = evidence.table.commits.get_mut(&VERSION).expect("it is there");
            let text = String::from_utf8_lossy(commit).into_owned();
            let kept: String = text
                .split_inclusive('\n')
                .filter(|line| !line.starts_with("{\"add\""))
                .collect();
            assert!(kept.len() < text.len(), "the version adds a file");
            *commit = kept.into_bytes();
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, ", "the list of added files is not the notarized one"],
    },
    Attack {
        name: "history: a path that leaves the table",
        forge: |evidence, _| {
            let commit = evidence.table.commits.get_mut(&VERSION).expect("it is there");
            let text = String::from_utf8_lossy(commit).replacen("\"path\":\"part-", "\"path\":\"../../part-", 1);
            *commit = text.into_bytes();
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 2, "],
    },
    Attack {
        name: "history: the table passed off as another",
        forge: |evidence, made| {
            evidence.table.commits = made.other.table.commits.clone();
            evidence.table.data = made.evidence.table.data.clone();
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["version 0, ", "is missing"],
    },
    Attack {
        name: "delta log: a Delta checkpoint beside the commits",
        forge: |evidence, _| {
            let checkpoint = name_of(VERSION).replace(".json", ".checkpoint.parquet");
            evidence.table.other.extend([checkpoint, "_last_checkpoint".to_owned()]);
        },
        check: table,
        verdict: Verdict::Invalid,
        words: &["_last_checkpoint", "DAB writes no such file"],
    },
];
