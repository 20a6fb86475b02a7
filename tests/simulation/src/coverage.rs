//! Which fault came in which state of the group.

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident: $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $(#[doc = $name] $variant,)*
        }

        impl $kind {
            /// All of them, in the order of the table.
            pub const ALL: &[$kind] = &[$($kind::$variant,)*];

            /// Its name in the table.
            pub const fn name(self) -> &'static str {
                match self {
                    $($kind::$variant => $name,)*
                }
            }
        }
    };
}

named! {
    /// What goes wrong.
    Fault {
        PowerCut: "power cut of one",
        PowerCutOfAll: "power cut of all",
        VoteCut: "power cut behind a vote",
        Kill: "kill",
        PartitionTwoWay: "two-way partition",
        PartitionOneWay: "one-way partition",
        FailingDisk: "failing disk",
        DiskAmidStep: "disk fails amid a step",
        FullDisk: "full disk",
        SlowDisk: "slow disk",
        BitRot: "bit rot",
        LyingDisk: "disk lies about syncs",
        DiskSetBack: "disk set back",
        Pause: "pause",
        SlowReplica: "slow replica",
        ClockJump: "clock jump",
        HostileMessage: "unbelievable message",
        Forgery: "plausible forgery",
        OtherEntry: "other entry for a follower",
    }
}

named! {
    /// How things stand when it goes wrong.
    State {
        Leader: "has a leader",
        NoLeader: "has none",
        CertificatePending: "certificate pending",
        Unflushed: "state not flushed",
        FlushUnderWay: "flush under way",
        CatchingUp: "one catches up",
        TakingOver: "one takes leaves over",
        OneDown: "one is down",
        MoreDown: "more are down",
        Parted: "network parted",
    }
}

const FAULTS: usize = Fault::ALL.len();
const STATES: usize = State::ALL.len();

/// Counts for each pair of fault and state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage([[u64; STATES]; FAULTS]);

impl Coverage {
    /// Counts a fault in these states.
    pub(crate) fn met(&mut self, fault: Fault, states: &[State]) {
        for state in states {
            self.0[fault as usize][*state as usize] += 1;
        }
    }

    /// How often a fault came in a state.
    pub fn count(&self, fault: Fault, state: State) -> u64 {
        self.0[fault as usize][state as usize]
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Coverage) {
        for (row, others) in self.0.iter_mut().zip(&other.0) {
            row.iter_mut().zip(others).for_each(|(count, other)| *count += other);
        }
    }

    /// The table, as Markdown.
    pub fn table(&self) -> String {
        let mut table = "| fault |".to_owned();
        State::ALL
            .iter()
            .for_each(|state| table += &format!(" {} |", state.name()));
        table += "\n|---|";
        table += &"---:|".repeat(STATES);
        for fault in Fault::ALL {
            table += &format!("\n| {} |", fault.name());
            State::ALL
                .iter()
                .for_each(|state| table += &format!(" {} |", self.count(*fault, *state)));
        }
        table + "\n"
    }
}
