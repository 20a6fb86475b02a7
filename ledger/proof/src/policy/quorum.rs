//! The rule that decides whether enough witnesses cosigned.

use std::fmt;

/// A witness, a group of such, or nothing at all.
#[derive(Debug, Clone)]
pub(super) enum Quorum {
    /// `quorum none`: nobody need cosign.
    None,
    /// The witness at this place of the policy.
    Witness { place: usize, name: String },
    /// At least `threshold` of the members.
    Group {
        name: String,
        threshold: usize,
        members: Vec<Quorum>,
    },
}

impl Quorum {
    /// Whether the witnesses for which `cosigned` is true are enough.
    pub(super) fn is_met(&self, cosigned: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Quorum::None => true,
            Quorum::Witness { place, .. } => cosigned(*place),
            Quorum::Group { threshold, members, .. } => {
                members.iter().filter(|member| member.is_met(cosigned)).count() >= *threshold
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Quorum::None => "none",
            Quorum::Witness { name, .. } | Quorum::Group { name, .. } => name,
        }
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Quorum::Group { threshold, members, .. } = self {
            let names: Vec<_> = members.iter().map(Quorum::name).collect();
            write!(f, " ({threshold} of {})", names.join(" "))?;
        }
        Ok(())
    }
}
