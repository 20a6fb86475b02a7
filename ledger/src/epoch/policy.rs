//! The policy of a ledger that several replicas hold together.

use dab_proof::note::VerifierKey;

use super::WitnessAt;
use crate::members::Members;

/// What a witness's line begins with, here as in a policy.
pub(crate) const WITNESS: &str = "witness ";
/// What a witness's name begins with. No member's does: a dot is none of its characters.
const OUTSIDE: &str = "outside.";

/// The text of `trust/policy`: the ledger's log, cosigned by a quorum of its replicas, and by a witness outside where there
/// are any.
pub(super) fn policy_text(log: &VerifierKey, members: &Members, witnesses: &[WitnessAt]) -> String {
    let mut text = format!(
        "# whose checkpoints count: this log's, cosigned by {} of its {} replicas\nlog {log}\n",
        members.quorum(),
        members.count()
    );
    for member in members.iter() {
        text += &format!("{WITNESS}{} {}\n", member.is.name, member.is.cosigner);
    }
    let names: Vec<_> = members.iter().map(|member| member.is.name.as_str()).collect();
    text += &format!("group replicas {} {}\n", members.quorum(), names.join(" "));
    if witnesses.is_empty() {
        return text + "quorum replicas\n";
    }
    let outside: Vec<_> = (1..=witnesses.len())
        .map(|number| format!("{OUTSIDE}{number}"))
        .collect();
    text += &witness_lines(witnesses);
    text + &format!(
        "group outside any {}\ngroup both all replicas outside\nquorum both\n",
        outside.join(" ")
    )
}

/// As founding and policy have them; named by their place.
pub(crate) fn witness_lines(witnesses: &[WitnessAt]) -> String {
    let line = |(number, witness): (usize, &WitnessAt)| {
        format!("{WITNESS}{OUTSIDE}{} {} {}\n", number + 1, witness.key, witness.url)
    };
    witnesses.iter().enumerate().map(line).collect()
}
