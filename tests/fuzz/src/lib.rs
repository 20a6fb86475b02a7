//! Every decoder that faces a stranger or a disk, as a target for fuzzing: any bytes may come, and what comes of them has to
//! keep the target's law within a bound of memory.
//!
//! `tests/replay.rs` feeds the kept corpus to every target in each run of the tests; `tests/fuzz/run` looks for more.

mod bound;
mod epochs;
mod laws;

pub mod examples;
mod papers;

mod proofs;
mod signed;
mod tiles;
mod trust;

mod raft_log;
mod replica;
mod replicas;
mod watchers;

pub use bound::Bound;

/// One decoder with the law that it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Decodes; says whether it accepts. Panics where a law is broken.
    pub decode: fn(&[u8]) -> bool,
    /// The memory that it may take.
    pub bound: Bound,
}

impl Target {
    /// Feeds `bytes` to the decoder; says whether it accepts them. One input at a time, since memory is counted for the whole
    /// process.
    ///
    /// # Panics
    /// Where the decoder panics, breaks its law, or takes more memory than its bound allows.
    pub fn check(&self, bytes: &[u8]) -> bool {
        let (accepted, taken) = bound::peak_of(|| (self.decode)(bytes));
        let allowed = self.bound.of(bytes.len());
        assert!(
            taken <= allowed,
            "{} takes {taken} bytes of memory for {} bytes of input; {allowed} are allowed",
            self.name,
            bytes.len()
        );
        accepted
    }

    /// Makes what the decoder needs once, so that it counts for no input.
    pub fn warm_up(&self) {
        (self.decode)(&[]);
    }
}

/// All targets, by name.
pub fn targets() -> Vec<Target> {
    let mut targets = [
        signed::TARGETS,
        proofs::TARGETS,
        tiles::TARGETS,
        trust::TARGETS,
        epochs::TARGETS,
        watchers::TARGETS,
        replicas::TARGETS,
        raft_log::TARGETS,
        replica::TARGETS,
    ]
    .concat();
    targets.sort_by_key(|target| target.name);
    targets
}
