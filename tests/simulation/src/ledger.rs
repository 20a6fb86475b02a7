//! The keys and papers of the simulated ledger: the same in every run.

use dab_proof::leaf::Subject;
use dab_proof::note::SigningKey;
use dab_proof::trust::Trust;

/// Replicas, all of them cosigners.
pub(crate) const REPLICAS: u64 = 4;
/// Cosignatures that certify.
pub(crate) const QUORUM: u64 = 3;

/// Subjects that clients write, at most.
pub(crate) const SUBJECTS_MAX: usize = 4;

/// One of the subjects.
pub(crate) fn subject(number: usize) -> Subject {
    Subject::table(&format!("t{number}")).expect("a good subject")
}

/// Who signs in the simulated ledger.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) log: SigningKey,
    pub(crate) cosigners: Vec<SigningKey>,
    pub(crate) writer: SigningKey,
    pub(crate) writers: String,
    pub(crate) trust: Trust,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let log = SigningKey::generate("dab/simulation", &[1; 32]).expect("a good name");
        let writer = SigningKey::generate("dab/simulation/writer", &[2; 32]).expect("a good name");
        let cosigner = |id: u64| {
            let name = format!("dab/simulation/replica{id}");
            SigningKey::generate_cosigner(&name, &[10 + id as u8; 32]).expect("a good name")
        };
        let cosigners: Vec<SigningKey> = (1..=REPLICAS).map(cosigner).collect();
        let mut policy = format!("log {}\n", log.verifier());
        let mut names = String::new();
        for (id, cosigner) in (1..).zip(&cosigners) {
            policy += &format!("witness r{id} {}\n", cosigner.verifier());
            names += &format!(" r{id}");
        }
        policy += &format!("group replicas {QUORUM}{names}\nquorum replicas\n");
        let writers = format!("{} *\n", writer.verifier());
        let trust = Trust::from_texts(policy, &writers, None).expect("own papers are good");
        Self {
            log,
            cosigners,
            writer,
            writers,
            trust,
        }
    }

    pub(crate) fn cosigner(&self, id: u64) -> &SigningKey {
        &self.cosigners[id as usize - 1]
    }
}
