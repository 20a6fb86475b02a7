//! What an auditor takes home, held in memory: a small table written by the real system, its proofs, the ledger's public
//! files and the trust directory. Tests change it and ask the auditor's own verifier.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dab_proof::audit::{audit_ledger, audit_table};
use dab_proof::commit_file::{CommitFile, storage_path};
use dab_proof::head_proof::verify_head;
use dab_proof::report::Report;
use dab_proof::testing::{MemorySource, MemoryTable};
use dab_proof::trust::Trust;
use dab_proof::verify::{Artefacts, DataArtefact, verify};

use crate::server::Server;

/// The files of one table and of the ledger that notarized it.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The trust directory, as it reads.
    pub trust: Trust,
    /// Its file `policy`.
    pub policy: Vec<u8>,
    /// Its file `writers`.
    pub writers: Vec<u8>,
    /// The ledger's public files by path: `checkpoint`, `tile/...`.
    pub public: MemorySource,
    /// The table's files.
    pub table: MemoryTable,
    /// The `.tlog-proof` file of each version.
    pub proofs: Vec<Vec<u8>>,
    /// The `.head-proof` file of the table.
    pub head_proof: Vec<u8>,
}

impl Evidence {
    /// Takes everything from a running node's data directory, and a proof of each version from the node.
    ///
    /// # Panics
    /// When something of it is missing.
    pub fn collect(server: &Server, table: &str) -> Self {
        let data = server.data();
        let folder = server.table(table);
        let mut files = MemoryTable::default();
        for (path, bytes) in files_below(&folder) {
            match path.strip_prefix("_delta_log/") {
                Some(name) => match name.strip_suffix(".json").and_then(|stem| stem.parse().ok()) {
                    Some(version) => drop(files.commits.insert(version, bytes)),
                    None => files.other.push(name.to_owned()),
                },
                None => drop(files.data.insert(path, bytes)),
            }
        }
        let folder = tempfile::tempdir().expect("the tests have a folder for temporary files");
        let proof = |arguments: &[&str]| {
            let file = folder.path().join("proof");
            server
                .dab(&[&["prove"], arguments, &["-o", &file.display().to_string()]].concat())
                .expect_code(0);
            fs::read(&file).expect("dab prove writes the file that it was told to")
        };
        // first, as it adds a leaf: then the receipts are of the ledger's last size
        let head_proof = proof(&["--head", table]);
        let versions = files.commits.keys();
        let trust = data.join("trust");
        let trust_file = |name| fs::read(trust.join(name)).expect("a node writes its trust directory");
        Self {
            proofs: versions
                .map(|version| proof(&[&format!("{table}@{version}")]))
                .collect(),
            head_proof,
            trust: dab_proof::files::read_trust(&trust).expect("a node writes its trust directory"),
            policy: trust_file("policy"),
            writers: trust_file("writers"),
            public: MemorySource {
                files: files_below(&data.join("public")),
                unreadable: None,
            },
            table: files,
        }
    }

    /// Checks the proof of a version with its commit file and all its data files, as `dab verify` does.
    ///
    /// # Panics
    /// When there is no such version.
    pub fn verify(&self, version: u64) -> Report {
        let commit = &self.table.commits[&version];
        let adds = CommitFile::parse(commit).map(|commit| commit.adds).unwrap_or_default();
        let data = adds.iter().filter_map(|add| {
            let bytes = self.table.data.get(&storage_path(&add.path).ok()?)?;
            Some(DataArtefact {
                path: add.path.clone(),
                file: bytes.as_slice().into(),
            })
        });
        let artefacts = Artefacts {
            body: Some(commit.as_slice().into()),
            data: data.collect(),
            ..Artefacts::default()
        };
        verify(&self.proofs[version as usize], &self.trust, artefacts)
    }

    /// Checks the head proof of the table, as `dab verify --head` does.
    pub fn verify_head(&self) -> Report {
        verify_head(&self.head_proof, &self.trust, None)
    }

    /// Audits the table, hashing every data file, as `dab audit table --deep` does.
    pub fn audit_table(&self) -> Report {
        audit_table(&self.public, &self.trust, &self.table, true)
    }

    /// Audits the ledger, as `dab audit ledger` does; `since` is an older checkpoint.
    pub fn audit_ledger(&self, since: Option<&[u8]>) -> Report {
        audit_ledger(&self.public, &self.trust, since)
    }
}

/// All files below a folder by their path relative to it, `/` between the names.
///
/// # Panics
/// When the folder cannot be read.
pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(&below).unwrap_or_else(|error| panic!("{}: {error}", below.display())) {
            let path = entry.expect("a folder can be read to its end").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("it lies below the folder")
                    .display()
                    .to_string();
                files.insert(
                    name,
                    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
                );
            }
        }
    }
    files
}
