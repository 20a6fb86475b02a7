//! What must hold, rule by rule, and how a break of one is told.

macro_rules! rules {
    ($($rule:ident: $text:literal,)*) => {
        /// A rule of the checker.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $text] $rule,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Rule] = &[$(Rule::$rule,)*];

            /// The rule in words.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Rule::$rule => $text,)*
                }
            }
        }
    };
}

rules! {
    OneVote: "a replica votes for one candidate in a term",
    OneLeader: "a term has one leader",
    LeaderHolds: "a leader holds what is committed",
    LogMatching: "an index and term have one entry",
    CommittedOnce: "an index has one committed entry",
    OneTree: "a tree size has one root",
    Certified: "what is shown is certified",
    NeverForks: "certified checkpoints extend each other",
    NeverShrinks: "a replica shows no smaller checkpoint than before",
    CosignsOnce: "a replica cosigns one root for each size, and remembers it",
    Receipts: "receipts verify",
    OnePlace: "a proposal has one outcome, however often it is tried",
    ConflictStands: "what was answered with a conflict is never accepted",
    ReadsNew: "a read is not older than what anybody was told",
    ReadsCertified: "a read shows certified leaves only",
    OneLeaf: "a subject and sequence have one leaf, behind its parent",
    Acknowledged: "what was acknowledged stands",
    Whole: "a proposal enters as a whole",
    Answers: "a good proposal is never refused",
    Progress: "after the faults everything is decided",
    OnlyDisks: "a replica stops for nothing but its disk",
    MessageBound: "no message is longer than the transport takes",
    Rot: "a replica names the file that has rotted",
    Forked: "who holds another tree than the certified one keeps the evidence and stops",
}

/// A rule that was broken, and how it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What was seen.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:?}): {}", self.rule.text(), self.rule, self.what)
    }
}

/// What a look at something comes to.
pub(crate) type Check<T = ()> = Result<T, Violation>;

/// Which rules a run holds its replicas to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// All of them.
    All,
    /// One, as if there were no others: shows what the rule finds by itself.
    Only(Rule),
}

impl Watch {
    /// Ends the run where the rule is watched, and goes on as if nothing were seen where it is not.
    pub(crate) fn broken(self, rule: Rule, what: String) -> Check {
        match self {
            Watch::Only(only) if only != rule => Ok(()),
            _ => Err(Violation { rule, what }),
        }
    }
}
