//! What becomes of a replica one bit of whose files has flipped while it was down.

use dab_ledger::Error;
use dab_ledger::reader::Head;
use dab_ledger::testing::core::{Core, CoreState};
use dab_ledger::testing::rot::Bit;

use crate::ledger::{Ledger, SUBJECTS_MAX, subject};
use crate::replica::{Machine, Stop, caught};
use crate::rng::Rng;
use crate::scenario::CoreLimits;

/// What a start with the flipped bit comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotten {
    /// To what it would come to without.
    Harmless,
    /// To an error that names the file.
    Named,
    /// To something else, or to an error that helps nobody.
    Broken(String),
}

/// Everything in a core that its disk decides: how it stands, its raft entries, and what it would tell readers.
type Contents = (CoreState, Vec<Option<(u64, [u8; 32])>>, Vec<Option<Head>>);

/// Starts a replica, which is down, on two copies of its disk, one of them with the bit flipped.
pub(crate) fn start_rotten(machine: &Machine, ledger: &Ledger, limits: CoreLimits, bit: &Bit) -> Rotten {
    let start = |rotten: bool| {
        let disk = machine.disk.backup();
        if rotten {
            disk.flip(bit);
        }
        caught(|| machine.open(&disk, ledger, limits, &mut Rng::new(0)))
    };
    let path = bit.path.display().to_string();
    // within public/ files go by the name that auditors give them
    let name = path.strip_prefix("public/").unwrap_or(&path);
    let begun = |rotten: bool| start(rotten).and_then(|mut core| contents(&mut core).map_err(Stop::Error));
    let (sound, rotten) = (begun(false), begun(true));
    match (sound, rotten) {
        (Err(_), _) => Rotten::Broken("it does not start without the flipped bit".to_owned()),
        (Ok(sound), Ok(rotten)) if sound == rotten => Rotten::Harmless,
        (_, Ok(_)) => Rotten::Broken(format!("byte {} of {path} makes it another replica", bit.at)),
        (_, Err(Stop::Error(error))) if error.to_string().contains(name) => Rotten::Named,
        (_, Err(stop)) => Rotten::Broken(format!("byte {} of {path} is told as: {stop}", bit.at)),
    }
}

fn contents(core: &mut Core) -> Result<Contents, Error> {
    let mut state = core.state();
    // a checkpoint that is passed over as torn is certified again
    state.certified = 0;
    let entries = (state.raft_base + 1..=state.raft_last).map(|index| core.raft_entry(index));
    let entries = entries.collect();
    let heads = (0..SUBJECTS_MAX).map(|number| core.applied_head(&subject(number)));
    Ok((state, entries, heads.collect::<Result<_, _>>()?))
}
