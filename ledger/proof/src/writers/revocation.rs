//! How lines of a writers file come to be revoked.
//!
//! ```text
//! <vkey> <glob>...  ->  revoked <vkey> <glob>...  ->  revoked <leaf index> <vkey> <glob>...
//!  may write             as the members sign it        as it stands from the change's leaf on
//! ```
//!
//! Whoever signs a change does not know yet which leaf it becomes. So the text that is signed has no index, and everybody who
//! takes the change over writes it: the index behind the change's leaf, since that one may still be the key's own.

use super::REVOKED;
use crate::error::Error;
use crate::key::VerifierKey;
use crate::text;
use crate::tree::LeafIndex;

/// The text with the line of a key revoked, without an index yet; `None` where no line lets the key write.
pub fn revoke(writers: &str, key: &VerifierKey) -> Option<String> {
    let vkey = key.to_string();
    let is_its = |line: &str| words(line).next() == Some(vkey.as_str());
    let mut found = false;
    let lines = writers.split_inclusive('\n').map(|line| match is_its(line) {
        true => {
            found = true;
            format!("{REVOKED} {}", line.trim_start())
        }
        false => line.to_owned(),
    });
    let revoked = lines.collect();
    found.then_some(revoked)
}

/// The text with `from` in each line that is revoked without an index.
pub fn number_revoked(writers: &str, from: LeafIndex) -> String {
    let lines = writers.split_inclusive('\n').map(|line| {
        let mut words = words(line);
        match (words.next(), words.next()) {
            (Some(REVOKED), second) if second.is_none_or(|word| text::decimal(word).is_none()) => {
                let rest = line.trim_start().strip_prefix(REVOKED).unwrap_or_default();
                format!("{REVOKED} {from} {}", rest.trim_start_matches([' ', '\t']))
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

/// Checks that the text `after` a change, which revokes from `from` on, has every line that was there `before`: as it was, or
/// revoked now. New lines come behind them.
///
/// # Errors
/// `ProofRejected`, naming the line.
pub fn check_succession(before: &str, after: &str, from: LeafIndex) -> Result<(), Error> {
    let mut later = after.split_inclusive('\n');
    for (number, line) in (1..).zip(before.split_inclusive('\n')) {
        let revoked = || format!("{REVOKED} {from} {}", line.trim_start());
        let stays = later.next().is_some_and(|later| later == line || later == revoked());
        if !stays {
            let reason =
                format!("line {number} of the writers before is neither as it was nor revoked from leaf {from} on");
            return Err(Error::ProofRejected {
                what: "change of the writers",
                reason,
            });
        }
    }
    Ok(())
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.trim_end_matches('\n')
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;
    use crate::writers::Writers;

    fn key(name: &str, seed: u8) -> VerifierKey {
        SigningKey::generate(name, &[seed; 32]).unwrap().verifier().clone()
    }

    #[test]
    fn a_key_is_revoked_once_and_its_line_stays() {
        let (a, b) = (key("a", 1), key("b", 2));
        let before = format!("# who\n\t{a}\ttable/*\n{b} *\n");
        let signed = revoke(&before, &a).unwrap();
        assert_eq!(signed, format!("# who\nrevoked {a}\ttable/*\n{b} *\n"));
        assert!(Writers::parse(signed.as_bytes()).is_err(), "it has no index yet");
        let after = number_revoked(&signed, LeafIndex(8));
        assert_eq!(after, format!("# who\nrevoked 8 {a}\ttable/*\n{b} *\n"));
        let writers = Writers::parse(after.as_bytes()).unwrap();
        assert_eq!(
            writers.find("a", a.key_id()).unwrap().revoked_from(),
            Some(LeafIndex(8))
        );
        // what has an index keeps it, and cannot be revoked again
        assert_eq!(number_revoked(&after, LeafIndex(9)), after);
        assert_eq!((revoke(&after, &a), revoke(&after, &key("c", 3))), (None, None));
        // a comment is no line of a key
        let comment = format!("# revoked {a} *\n");
        assert_eq!(
            (revoke(&comment, &a), number_revoked(&comment, LeafIndex(8))),
            (None, comment)
        );
    }

    #[test]
    fn a_change_takes_no_line_away() {
        let (a, b, c) = (key("a", 1), key("b", 2), key("c", 3));
        let before = format!("# who\nrevoked 3 {a} *\n{b} table/*\n");
        let check = |after: &str| check_succession(&before, after, LeafIndex(8));
        let more = format!("{before}{c} *\n");
        let revoked = more.replace(&format!("{b}"), &format!("revoked 8 {b}"));
        for good in [&before, &more, &revoked] {
            check(good).unwrap();
        }
        for wrong in [
            before.replace("# who\n", ""),
            before.replace("revoked 3 ", ""),
            before.replace("revoked 3", "revoked 8"),
            before.replace("table/*", "*"),
            more.replace(&format!("{b}"), &format!("revoked 7 {b}")),
            format!("{c} *\n{before}"),
            before[..before.len() - 1].to_owned(),
            String::new(),
        ] {
            let told = check(&wrong).expect_err(&wrong).to_string();
            assert!(told.contains("neither as it was nor revoked from leaf 8"), "{told}");
        }
    }
}
