//! What a monitor calls out, and what it keeps as evidence.

use crate::error::Error;

/// Why a look accepted nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Something is wrong.
    Alarm(Box<Alarm>),
    /// Something could not be read; the next look may tell more.
    Undecided(Error),
}

/// Something wrong, with the files that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Which kind of wrong.
    pub kind: AlarmKind,
    /// What is wrong, in plain words. May quote the ledger: escape it before it is printed.
    pub reason: String,
    /// The evidence: names of files, and their bytes.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

/// The kinds of alarm, by what somebody would do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// Two certified trees contradict each other: files `first`, `second`, and `proof` for two sizes.
    Fork,
    /// The ledger shows a smaller tree than before: files `first`, `second`.
    Shrunk,
    /// Nothing new for too long: file `first`, the last good checkpoint, if there was one.
    Stalled,
    /// A leaf by somebody who is not expected, or about what they may not write: files `checkpoint`, `leaf`.
    Writer,
    /// A checkpoint, tile or leaf that does not hold: files `checkpoint` and, for a leaf, `leaf`; where growth is not
    /// proved, `first` and `second`.
    Bad,
    /// The policy asks for other witnesses outside than at the last look, which is for whoever is responsible to know.
    Witnesses,
}

impl AlarmKind {
    /// Every kind.
    pub const ALL: [AlarmKind; 6] = [
        AlarmKind::Fork,
        AlarmKind::Shrunk,
        AlarmKind::Stalled,
        AlarmKind::Writer,
        AlarmKind::Bad,
        AlarmKind::Witnesses,
    ];

    /// One word for programs.
    pub fn word(self) -> &'static str {
        match self {
            AlarmKind::Fork => "fork",
            AlarmKind::Shrunk => "shrunk",
            AlarmKind::Stalled => "stalled",
            AlarmKind::Writer => "writer",
            AlarmKind::Bad => "bad",
            AlarmKind::Witnesses => "witnesses",
        }
    }

    /// The exit code of a program that ends with this alarm.
    pub fn exit_code(self) -> u8 {
        match self {
            AlarmKind::Fork => 10,
            AlarmKind::Shrunk => 11,
            AlarmKind::Stalled => 12,
            AlarmKind::Writer => 13,
            AlarmKind::Bad => 14,
            AlarmKind::Witnesses => 15,
        }
    }
}

impl Alarm {
    /// An alarm without evidence yet.
    pub fn new(kind: AlarmKind, reason: impl Into<String>) -> Alarm {
        Alarm {
            kind,
            reason: reason.into(),
            files: Vec::new(),
        }
    }

    /// Adds a file of evidence.
    pub fn file(mut self, name: &'static str, bytes: Vec<u8>) -> Alarm {
        self.files.push((name, bytes));
        self
    }
}

impl From<Alarm> for Trouble {
    fn from(alarm: Alarm) -> Trouble {
        Trouble::Alarm(Box::new(alarm))
    }
}

impl From<Error> for Trouble {
    /// What could not be read leaves it undecided; everything else counts against the ledger.
    fn from(error: Error) -> Trouble {
        if error.is_undecided() {
            return Trouble::Undecided(error);
        }
        Alarm::new(AlarmKind::Bad, error.to_string()).into()
    }
}
