//! A file of changes of members and writers, and a trust folder that follows them.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::{failed, read_limited, read_needed, untrusted};
use crate::epoch::{CHANGES_BYTES_MAX, Step, follow_changes, parse_changes};
use crate::error::Error;
use crate::policy::{POLICY_BYTES_MAX, Policy};
use crate::report::{Report, count};
use crate::trust::Trust;
use crate::writers::{WRITERS_BYTES_MAX, Writers};

/// Bytes of the file `epoch` in a trust folder: a number.
const EPOCH_FILE_BYTES_MAX: usize = 32;

/// Checks the changes of a ledger's members and writers in a file against a trust folder, and has the folder follow them where `write`
/// says so: its policy and writers are then those of the last epoch. Nothing is written unless every change holds.
pub fn follow_file(changes: &Path, trust_dir: &Path, write: bool) -> Report {
    let title = format!("changes of members and writers, {}", changes.display());
    let read = |name: &str, what, limit| read_needed(&trust_dir.join(name), what, limit);
    let trusted = read("policy", "policy", POLICY_BYTES_MAX).and_then(|policy| {
        let writers = read("writers", "writers file", WRITERS_BYTES_MAX)?;
        // one that cannot be used is no fault of the changes
        Trust::from_texts(&policy, &writers, None)?;
        Ok((policy, writers, read_epoch(trust_dir)?))
    });
    let (policy, writers, epoch) = match trusted {
        Ok(trusted) => trusted,
        Err(error) => return untrusted(title, trust_dir, &error),
    };
    let steps = read_needed(changes, "file of changes", CHANGES_BYTES_MAX)
        .and_then(|bytes| parse_changes(&bytes))
        .and_then(|changes| follow_changes(&policy, &writers, epoch, &changes));
    let steps = match steps {
        Ok(steps) => steps,
        Err(error) => return failed(title, &error),
    };
    let written = match steps.last() {
        Some(last) if write => write_trust(trust_dir, last),
        _ => Ok(()),
    };
    match written {
        Ok(()) => told(title, trust_dir, &policy, &steps, write),
        Err(error) => failed(title, &error),
    }
}

/// `before` is the policy that the folder had.
fn told(title: String, trust_dir: &Path, before: &[u8], steps: &[Step], write: bool) -> Report {
    let mut report = Report {
        title,
        facts: vec![("changes followed", steps.len().to_string())],
        ..Report::default()
    };
    let mut last_policy = Policy::parse(before).ok();
    for Step {
        epoch,
        certification,
        text,
    } in steps
    {
        let members = match text.members.lines().count() as u64 {
            0 => "a node alone".to_owned(),
            members => count(members, ["member", "members"]),
        };
        report
            .checked
            .push(format!("epoch {epoch}, {members}: {certification}"));
        let now = Policy::parse(&text.policy).ok();
        let outside = now
            .as_ref()
            .zip(last_policy)
            .and_then(|(now, before)| now.outside_since(&before));
        if let Some(outside) = outside {
            // not among what was checked, of which a long list hides its end
            report
                .facts
                .push(("WITNESSES CHANGE", format!("in epoch {epoch}: {outside}")));
        }
        last_policy = now;
    }
    let dir = trust_dir.display();
    match steps.last() {
        None => report.checked.push(format!("the file has no later epoch than {dir}")),
        Some(last) => {
            report.facts.push(("ledger", last.text.origin.clone()));
            if let Some(policy) = last_policy {
                let names: Vec<_> = policy.witnesses().iter().map(|witness| witness.name.as_str()).collect();
                if !names.is_empty() {
                    report.facts.push(("cosigners now", names.join(", ")));
                    report.facts.push(("witnesses outside now", policy.outside_in_words()));
                }
            }
            if let Ok(writers) = Writers::parse(last.text.writers.as_bytes()) {
                let revoked = writers.iter().filter(|writer| writer.revoked_from().is_some()).count();
                let may_write = writers.iter().count() - revoked;
                let told = format!("{may_write} may write, {revoked} may no more");
                report.facts.push(("writers now", told));
            }
            match write {
                true => report
                    .checked
                    .push(format!("written to {dir}: policy and writers of epoch {}", last.epoch)),
                false => report
                    .not_checked
                    .push(format!("nothing was written to {dir}: that takes --write")),
            }
        }
    }
    report
}

/// The epoch that the folder says it is of.
fn read_epoch(dir: &Path) -> Result<Option<u64>, Error> {
    let Some(bytes) = read_limited(&dir.join("epoch"), "epoch", EPOCH_FILE_BYTES_MAX)? else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&bytes);
    let epoch = text.trim_end().parse();
    epoch
        .map(Some)
        .map_err(|_| Error::malformed("epoch", format!("{text:?} is no number")))
}

/// The epoch last. Whoever is interrupted before has a policy and writers that belong to no epoch, or to another one than the
/// folder says: then no change holds, and the folder has to be restored from its copy.
fn write_trust(dir: &Path, step: &Step) -> Result<(), Error> {
    let epoch = format!("{}\n", step.epoch);
    for (name, text) in [
        ("writers", &step.text.writers),
        ("policy", &step.text.policy),
        ("epoch", &epoch),
    ] {
        let (path, temporary) = (dir.join(name), dir.join(format!(".{name}.new")));
        let write = |text: &str| {
            let mut file = File::create(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        let written = write(text).and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|error| Error::Unavailable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    Ok(())
}
