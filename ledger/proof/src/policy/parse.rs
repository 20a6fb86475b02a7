//! Reads the policy file line by line.

use std::collections::BTreeMap;

use super::quorum::Quorum;
use super::{Log, POLICY_BYTES_MAX, POLICY_DEFINITIONS_MAX, Policy, Witness};
use crate::error::Error;
use crate::key::{SignatureType, VerifierKey};
use crate::text;

const WHAT: &str = "policy";

/// Groups nest at most this deep, so that no policy exhausts the stack.
const GROUP_DEPTH_MAX: usize = 32;

/// A name that has been defined and is not yet a member of a group.
struct Definition {
    quorum: Quorum,
    depth: usize,
}

#[derive(Default)]
struct Reader<'a> {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: usize,
    /// Each defined name; none once it is a member of a group (its rule stands there).
    names: BTreeMap<&'a [u8], Option<Definition>>,
    /// Rules of names that are members already, for a quorum line that names one.
    quorum: Option<Quorum>,
    members: BTreeMap<&'a [u8], Quorum>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Policy, Error> {
    Error::check_size(WHAT, bytes.len(), POLICY_BYTES_MAX)?;
    let mut reader = Reader::default();
    for line in words_by_line(WHAT, bytes)? {
        reader.line(&line.words).map_err(|error| match error {
            Error::Malformed { reason, .. } => Error::malformed(WHAT, format!("line {}: {reason}", line.number)),
            other => other,
        })?;
    }
    let quorum = reader
        .quorum
        .ok_or_else(|| Error::malformed(WHAT, "it has no quorum line"))?;
    Ok(Policy {
        logs: reader.logs,
        witnesses: reader.witnesses,
        quorum,
    })
}

/// A line that has words and is no comment.
pub(crate) struct Line<'a> {
    /// From one.
    pub(crate) number: usize,
    /// At least one.
    pub(crate) words: Vec<&'a [u8]>,
}

/// Splits a file into its lines. Words are parted by spaces and tabs; tab and newline are the only control characters
/// allowed, and the last line must end.
pub(crate) fn words_by_line<'a>(what: &'static str, bytes: &'a [u8]) -> Result<Vec<Line<'a>>, Error> {
    if let Some(byte) = bytes.iter().find(|byte| matches!(byte, 0..9 | 11..32 | 127)) {
        return Err(Error::malformed(
            what,
            format!("it has the control character 0x{byte:02x}"),
        ));
    }
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let text = bytes
        .strip_suffix(b"\n")
        .ok_or_else(|| Error::malformed(what, "the last line does not end"))?;
    let lines = text.split(|byte| *byte == b'\n').zip(1..).map(|(text, number)| {
        let words = text
            .split(|byte| matches!(byte, b' ' | b'\t'))
            .filter(|word| !word.is_empty());
        Line {
            number,
            words: words.collect(),
        }
    });
    Ok(lines
        .filter(|line| line.words.first().is_some_and(|word| !word.starts_with(b"#")))
        .collect())
}

impl<'a> Reader<'a> {
    fn line(&mut self, words: &[&'a [u8]]) -> Result<(), Error> {
        match words {
            [b"log", vkey, url @ ..] => self.log(vkey, optional_url(url)?),
            [b"witness", name, vkey, url @ ..] => self.witness(name, vkey, optional_url(url)?),
            [b"group", name, threshold, members @ ..] => self.group(name, threshold, members),
            [b"quorum", name] => self.set_quorum(name),
            [keyword, ..] => Err(malformed(format!(
                "{} with {} words is no line of a policy",
                show(keyword),
                words.len()
            ))),
            [] => Ok(()),
        }
    }

    fn log(&mut self, vkey: &[u8], url: Option<String>) -> Result<(), Error> {
        let key = read_key(vkey)?;
        key.check_kind(SignatureType::Ed25519, "a log")?;
        self.check_new_key(&key)?;
        self.logs.push(Log { key, url });
        check_count(self.logs.len(), "logs")
    }

    fn witness(&mut self, name: &'a [u8], vkey: &[u8], url: Option<String>) -> Result<(), Error> {
        let key = read_key(vkey)?;
        key.check_kind(SignatureType::CosignatureV1, "a witness")?;
        self.check_new_key(&key)?;
        let quorum = Quorum::Witness {
            place: self.witnesses.len(),
            name: show(name),
        };
        self.define(name, Definition { quorum, depth: 0 })?;
        self.witnesses.push(Witness {
            name: show(name),
            key,
            url,
        });
        check_count(self.witnesses.len(), "witnesses")
    }

    fn group(&mut self, name: &'a [u8], threshold: &[u8], names: &[&'a [u8]]) -> Result<(), Error> {
        let threshold = match threshold {
            b"all" => names.len(),
            b"any" => 1,
            number => std::str::from_utf8(number)
                .ok()
                .and_then(text::decimal)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or_else(|| malformed(format!("{} is not all, any or a number", show(number))))?,
        };
        if threshold == 0 || threshold > names.len() {
            return Err(malformed(format!(
                "{threshold} of {} members cannot be asked for",
                names.len()
            )));
        }
        let (mut members, mut depth) = (Vec::new(), 0);
        for member in names {
            let definition = self.names.get_mut(member).ok_or_else(|| undefined(member))?;
            let definition = definition
                .take()
                .ok_or_else(|| malformed(format!("{} is a member of two groups", show(member))))?;
            self.members.insert(member, definition.quorum.clone());
            depth = depth.max(definition.depth + 1);
            members.push(definition.quorum);
        }
        if depth > GROUP_DEPTH_MAX {
            return Err(malformed(format!("groups nest deeper than {GROUP_DEPTH_MAX}")));
        }
        let quorum = Quorum::Group {
            name: show(name),
            threshold,
            members,
        };
        self.define(name, Definition { quorum, depth })?;
        self.groups += 1;
        check_count(self.groups, "groups")
    }

    fn set_quorum(&mut self, name: &[u8]) -> Result<(), Error> {
        let quorum = match name {
            b"none" => Quorum::None,
            name => match self.names.get(name) {
                Some(Some(definition)) => definition.quorum.clone(),
                Some(None) => self.members.get(name).cloned().ok_or_else(|| undefined(name))?,
                None => return Err(undefined(name)),
            },
        };
        match self.quorum.replace(quorum) {
            Some(_) => Err(malformed("a second quorum line".to_owned())),
            None => Ok(()),
        }
    }

    fn define(&mut self, name: &'a [u8], definition: Definition) -> Result<(), Error> {
        if name == b"none" || self.names.insert(name, Some(definition)).is_some() {
            return Err(malformed(format!("{} is defined already", show(name))));
        }
        Ok(())
    }

    /// Refuses a public key that another line has, under whatever name and in whatever role.
    fn check_new_key(&self, key: &VerifierKey) -> Result<(), Error> {
        let logs = self.logs.iter().map(|log| &log.key);
        let mut keys = logs.chain(self.witnesses.iter().map(|witness| &witness.key));
        match keys.find(|other| other.public_key() == key.public_key()) {
            Some(other) => Err(malformed(format!(
                "{} has the same public key as {}",
                key.name(),
                other.name()
            ))),
            None => Ok(()),
        }
    }
}

fn read_key(vkey: &[u8]) -> Result<VerifierKey, Error> {
    std::str::from_utf8(vkey)
        .map_err(|_| malformed(format!("{} is not UTF-8", show(vkey))))?
        .parse()
}

fn optional_url(words: &[&[u8]]) -> Result<Option<String>, Error> {
    match words {
        [] => Ok(None),
        [url] => Ok(Some(show(url))),
        [_, extra, ..] => Err(malformed(format!("{} follows the URL", show(extra)))),
    }
}

fn check_count(count: usize, kind: &str) -> Result<(), Error> {
    if count > POLICY_DEFINITIONS_MAX {
        return Err(malformed(format!("it has more than {POLICY_DEFINITIONS_MAX} {kind}")));
    }
    Ok(())
}

fn malformed(reason: String) -> Error {
    Error::malformed(WHAT, reason)
}

fn undefined(name: &[u8]) -> Error {
    malformed(format!("{} is not defined above", show(name)))
}

fn show(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
