//! What a run did, in figures.

use crate::coverage::Coverage;

macro_rules! counts {
    ($($field:ident: $name:literal,)*) => {
        /// Counts of one run, or of many.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Report {
            $(#[doc = $name] pub $field: u64,)*
            /// Which fault came in which state.
            pub coverage: Coverage,
        }

        impl Report {
            /// Each count under its name, in the order of a summary.
            pub fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$(($name, self.$field),)*]
            }

            /// Adds another run's counts.
            pub fn add(&mut self, other: &Report) {
                $(self.$field += other.$field;)*
                self.coverage.add(&other.coverage);
            }
        }
    };
}

counts! {
    runs: "runs",
    steps: "steps",
    acknowledged: "acknowledged proposals",
    retried: "proposals retried",
    conflicts: "conflicts",
    unknown_outcomes: "unknown outcomes",
    reads: "reads answered",
    certified: "certified checkpoints",
    elections: "elections",
    leaves: "leaves at the end",
    messages: "messages",
    messages_lost: "messages lost",
    messages_doubled: "messages doubled",
    messages_late: "messages very late",
    messages_cut: "messages cut off",
    messages_too_long: "messages too long",
    partitions_two_way: "two-way partitions",
    partitions_one_way: "one-way partitions",
    power_cuts: "power cuts",
    vote_cuts: "power cuts behind a vote",
    kills: "kills",
    disk_failures: "failing disks",
    crashes_amid_writes: "disks that fail amid a step",
    full_disks: "full disks",
    slow_disks: "slow disks",
    rots: "bits that rotted",
    rots_named: "rotten files refused by name",
    rots_harmless: "rotten files that changed nothing",
    pauses: "pauses",
    slow_replicas: "slow replicas",
    clock_jumps: "clock jumps",
    byzantine_runs: "runs with a Byzantine replica",
    hostile_messages: "unbelievable messages",
    forgeries: "plausible forgeries",
    other_entries: "messages with other entries",
    rollbacks: "disks set back",
    lying_disks: "disks that lied about syncs",
    contradictions: "contradicting notes met",
    raft_breaks: "runs in which raft broke",
    snapshots_installed: "raft snapshots taken over",
    files_fetched: "files fetched from others",
    files_forged: "files forged by a Byzantine replica",
    forked: "replicas stopped on another tree",
}
