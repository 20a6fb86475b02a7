//! Commit files of a table: the lines of JSON in `_delta_log/<20 digits>.json` (Delta transaction log protocol, section
//! "Actions"), read as far as a proof needs them.
//!
//! ```text
//! {"commitInfo":{..., "dab":{"tableId":"..","version":3,"previous":"<base64 leaf hash>","operationId":"..",
//!                            "user":"..","sources":[..]}}}
//! {"add":{"path":"part-0.parquet","size":123,"tags":{"dab.blake3":"<64 hex digits>"}, ...}}
//! ```
//!
//! The files root is the RFC 6962 root over one line per added file, lines sorted by their bytes:
//!
//! ```text
//! <path as it stands in the action> 0x00 <size, decimal> 0x00 <64 hex digits of BLAKE3> 0x0A
//! ```

mod files;

pub use files::{FileDigest, check_path, files_root, storage_path};

use serde_json::{Map, Value};

use crate::error::Error;
use crate::hash::Hash;
use crate::json;
use crate::leaf::FilesRoot;
use crate::text;

/// Bytes of the largest commit file that is read.
pub const COMMIT_BYTES_MAX: usize = 256 << 20;

/// Bytes of the longest line of one. A line is held as a tree of JSON values, which can take ten times its length, and so
/// are the sources that it names.
pub const COMMIT_LINE_BYTES_MAX: usize = 64 << 20;

/// The tag of an `add` action that holds the file's BLAKE3.
pub const BLAKE3_TAG: &str = "dab.blake3";

/// The table property that holds the table id.
pub const TABLE_ID_PROPERTY: &str = "dab.tableId";

const WHAT: &str = "commit file";

/// What a commit says about files and about itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommitFile {
    /// Files that it adds, in its order.
    pub adds: Vec<AddedFile>,
    /// Paths of the files that it removes, as they stand in the actions.
    pub removes: Vec<String>,
    /// Paths of the change data files that it adds; readers of the table itself do not open them.
    pub change_files: Vec<String>,
    /// `commitInfo.dab`, if there is one.
    pub dab: Option<CommitInfoDab>,
    /// `metaData.configuration["dab.tableId"]`, if the commit sets the table's metadata and has it.
    pub property_table_id: Option<String>,
    /// Whether the commit sets the table's metadata.
    pub sets_metadata: bool,
}

/// One `add` action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedFile {
    /// Path as it stands in the action (URL-encoded); always relative and below the table.
    pub path: String,
    /// Bytes of the file.
    pub size: u64,
    /// BLAKE3 of the file, from its tag; none in commits that DAB did not write.
    pub blake3: Option<[u8; 32]>,
    /// Whether the action has a deletion vector, which changes what readers see of the file.
    pub has_deletion_vector: bool,
}

/// DAB's part of `commitInfo`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitInfoDab {
    /// Id of the table; the leaf's subject is `table/<id>`.
    pub table_id: String,
    /// Version of the table; the leaf's sequence.
    pub version: u64,
    /// Leaf hash of the previous version; the leaf's parent.
    pub previous: Option<Hash>,
    /// Id of the operation, if stated.
    pub operation_id: Option<String>,
    /// The user as the server knew them: the server's word, not the user's signature.
    pub user: Option<String>,
    /// Sources read or loaded, as they stand in the commit.
    pub sources: Vec<Value>,
}

/// Name of the commit file of `version`: its number in 20 digits.
pub fn name_of(version: u64) -> String {
    format!("{version:020}.json")
}

/// The version that a file of this name in `_delta_log` commits; none when it is no commit file.
pub fn version_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    let numbered = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    // Delta's versions are signed 64-bit numbers
    if numbered {
        digits.parse().ok().filter(|version| *version <= i64::MAX as u64)
    } else {
        None
    }
}

/// The table id in `commitInfo.dab` at the beginning of a commit file, which need not be `whole`; none when no complete line
/// states one. Nothing of it is to be believed: it says which leaves to ask the ledger for.
pub(crate) fn table_id_in(start: &[u8], whole: bool) -> Result<Option<String>, Error> {
    let mut first_error = None;
    let lines = start.strip_suffix(b"\n").unwrap_or(start);
    for (number, line) in (1..).zip(lines.split(|byte| *byte == b'\n')) {
        let info = json::object(line).and_then(|action| match action.get("commitInfo").and_then(Value::as_object) {
            Some(info) => read_dab(info),
            None => Ok(None),
        });
        match info {
            Ok(Some(dab)) => return Ok(Some(dab.table_id)),
            Ok(None) => {}
            Err(reason) => {
                let error = Error::malformed(WHAT, format!("line {number}: {reason}"));
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if whole => Err(error),
        _ => Ok(None),
    }
}

impl CommitFile {
    /// Reads a commit file.
    ///
    /// # Errors
    /// `TooLarge`, for a line too; `Malformed` with the line for what is not an action, for a key that stands twice in one object, and
    /// for a file outside the table's folder.
    pub fn parse(bytes: &[u8]) -> Result<CommitFile, Error> {
        Error::check_size(WHAT, bytes.len(), COMMIT_BYTES_MAX)?;
        let mut commit = CommitFile::default();
        let mut infos = 0;
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for (number, line) in (1..).zip(lines.split(|byte| *byte == b'\n')) {
            let at_line = |reason: String| Error::malformed(WHAT, format!("line {number}: {reason}"));
            Error::check_size("a line of the commit file", line.len(), COMMIT_LINE_BYTES_MAX)?;
            let action = json::object(line).map_err(at_line)?;
            let mut entries = action.iter();
            let (Some((name, action)), None) = (entries.next(), entries.next()) else {
                return Err(at_line(format!("it has {} actions instead of one", action.len())));
            };
            let action = action
                .as_object()
                .ok_or_else(|| at_line(format!("{name} is not an object")))?;
            infos += usize::from(name == "commitInfo");
            if infos > 1 || (name == "metaData" && commit.sets_metadata) {
                return Err(at_line(format!("a second {name}")));
            }
            commit.take(name, action).map_err(at_line)?;
        }
        Ok(commit)
    }

    /// Root over the added files, and their number; none when the commit adds no file.
    ///
    /// # Errors
    /// `Malformed` when a file has no BLAKE3 tag or two have one path.
    pub fn files_root(&self) -> Result<Option<FilesRoot>, Error> {
        let untagged = |add: &AddedFile| Error::malformed(WHAT, format!("{} has no tag {BLAKE3_TAG}", add.path));
        let digests = self.adds.iter().map(|add| {
            let blake3 = add.blake3.ok_or_else(|| untagged(add))?;
            Ok(FileDigest {
                path: add.path.clone(),
                size: add.size,
                blake3,
            })
        });
        files_root(&digests.collect::<Result<Vec<_>, Error>>()?)
    }

    fn take(&mut self, name: &str, action: &Map<String, Value>) -> Result<(), String> {
        match name {
            "add" => self.adds.push(AddedFile::read(action)?),
            "remove" => self.removes.push(string(action, "path")?),
            "cdc" => self.change_files.push(string(action, "path")?),
            "commitInfo" => self.dab = read_dab(action)?,
            "metaData" => {
                self.sets_metadata = true;
                self.property_table_id = match action.get("configuration").and_then(|it| it.get(TABLE_ID_PROPERTY)) {
                    Some(Value::String(id)) => Some(id.clone()),
                    Some(other) => return Err(format!("{TABLE_ID_PROPERTY} {other} is not a string")),
                    None => None,
                };
            }
            // all other actions say nothing about files
            _ => {}
        }
        Ok(())
    }
}

impl AddedFile {
    fn read(action: &Map<String, Value>) -> Result<AddedFile, String> {
        let path = string(action, "path")?;
        check_path(&path).map_err(|error| error.to_string())?;
        let size = unsigned(action, "size")?;
        let blake3 = match action.get("tags").and_then(|tags| tags.get(BLAKE3_TAG)) {
            None => None,
            Some(tag) => {
                let digest = tag.as_str().and_then(text::hex_decode);
                Some(digest.ok_or_else(|| format!("{BLAKE3_TAG} {tag} of {path} is not 64 lowercase hex digits"))?)
            }
        };
        let has_deletion_vector = action.get("deletionVector").is_some_and(|vector| !vector.is_null());
        Ok(AddedFile {
            path,
            size,
            blake3,
            has_deletion_vector,
        })
    }
}

fn read_dab(info: &Map<String, Value>) -> Result<Option<CommitInfoDab>, String> {
    let Some(dab) = info.get("dab") else { return Ok(None) };
    let dab = dab.as_object().ok_or("commitInfo.dab is not an object")?;
    let previous = match dab.get("previous") {
        None | Some(Value::Null) => None,
        Some(hash) => {
            let parsed = hash.as_str().and_then(|hash| hash.parse().ok());
            Some(parsed.ok_or_else(|| format!("previous {hash} is not a leaf hash"))?)
        }
    };
    let sources = match dab.get("sources") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(sources)) => sources.clone(),
        Some(other) => return Err(format!("sources {other} is not an array")),
    };
    Ok(Some(CommitInfoDab {
        table_id: string(dab, "tableId")?,
        version: unsigned(dab, "version")?,
        previous,
        operation_id: optional_string(dab, "operationId")?,
        user: optional_string(dab, "user")?,
        sources,
    }))
}

fn string(object: &Map<String, Value>, key: &str) -> Result<String, String> {
    optional_string(object, key)?.ok_or_else(|| format!("{key} is missing"))
}

fn optional_string(object: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(other) => Err(format!("{key} {other} is not a string")),
    }
}

fn unsigned(object: &Map<String, Value>, key: &str) -> Result<u64, String> {
    let value = object.get(key).ok_or_else(|| format!("{key} is missing"))?;
    value
        .as_u64()
        .ok_or_else(|| format!("{key} {value} is not a whole number from 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = concat!(
        r#"{"commitInfo":{"timestamp":1,"dab":{"tableId":"t","version":3,"previous":null,"user":"ann","sources":[1]}}}"#,
        "\n",
        r#"{"metaData":{"id":"m","configuration":{"dab.tableId":"t"}}}"#,
        "\n",
        r#"{"add":{"path":"p=a%2520b/x.parquet","size":5,"tags":{"dab.blake3":"00000000000000000000000000000000"#,
        r#"00000000000000000000000000000000"}}}"#,
        "\n",
        r#"{"remove":{"path":"y.parquet"}}"#,
        "\n",
        r#"{"protocol":{"minReaderVersion":1}}"#,
    );

    #[test]
    fn name_of_a_commit_file_has_twenty_digits() {
        assert_eq!(version_of(&name_of(7)), Some(7));
        assert_eq!(version_of(&name_of(i64::MAX as u64)), Some(i64::MAX as u64));
        for name in [
            &name_of(i64::MAX as u64 + 1),
            "7.json",
            "+0000000000000000007.json",
            "00000000000000000007",
            "000000000000000000007.json",
            ".json",
        ] {
            assert_eq!(version_of(name), None, "{name}");
        }
    }

    #[test]
    fn actions_are_read() {
        let commit = CommitFile::parse(COMMIT.as_bytes()).unwrap();
        let dab = commit.dab.as_ref().unwrap();
        assert_eq!((dab.table_id.as_str(), dab.version, dab.previous), ("t", 3, None));
        assert_eq!(dab.user.as_deref(), Some("ann"));
        assert_eq!(commit.property_table_id.as_deref(), Some("t"));
        assert_eq!(commit.adds[0].path, "p=a%2520b/x.parquet");
        assert_eq!(commit.adds[0].blake3, Some([0; 32]));
        assert_eq!(commit.removes, ["y.parquet"]);
        assert_eq!(commit.files_root().unwrap().unwrap().count, 1);
        assert_eq!(CommitFile::parse(format!("{COMMIT}\n").as_bytes()).unwrap(), commit);
    }

    #[test]
    fn what_changes_the_meaning_of_files_is_seen() {
        let commit = CommitFile::parse(COMMIT.as_bytes()).unwrap();
        assert!(commit.change_files.is_empty() && !commit.adds[0].has_deletion_vector);
        for (vector, has) in [(r#"{"storageType":"u"}"#, true), ("null", false)] {
            let line = format!(r#"{{"add":{{"path":"z.parquet","size":1,"deletionVector":{vector}}}}}"#);
            assert_eq!(
                CommitFile::parse(line.as_bytes()).unwrap().adds[0].has_deletion_vector,
                has,
                "{line}"
            );
        }
        let changes = CommitFile::parse(br#"{"cdc":{"path":"_change_data/c.parquet"}}"#).unwrap();
        assert_eq!(changes.change_files, ["_change_data/c.parquet"]);
    }

    #[test]
    fn table_is_found_at_the_beginning_of_a_commit_file() {
        let begins = &COMMIT[..COMMIT.find("metaData").unwrap()];
        assert_eq!(table_id_in(begins.as_bytes(), false).unwrap().as_deref(), Some("t"));
        // a line that is no action hides nothing that follows it
        let after = format!("x\n{COMMIT}");
        assert_eq!(table_id_in(after.as_bytes(), true).unwrap().as_deref(), Some("t"));
        // cut in a line, what is there is no file with a fault
        let cut = br#"{"commitInfo":{"dab":{"tableI"#;
        assert_eq!(table_id_in(cut, false).unwrap(), None);
        let error = table_id_in(cut, true).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
    }

    #[test]
    fn commits_with_two_meanings_are_refused() {
        for (from, to) in [
            (r#""size":5"#, r#""size":5,"size":6"#),
            (r#""size":5"#, r#""size":"5""#),
            (r#""size":5"#, r#""size":-5"#),
            (r#""size":5"#, r#""sise":5"#),
            (r#"x.parquet"#, r#"../x.parquet"#),
            (r#"dab.blake3":"0"#, r#"dab.blake3":"G"#),
            (r#""previous":null"#, r#""previous":"x""#),
            (r#""version":3"#, r#""version":3.0"#),
            (r#"{"protocol""#, r#"{"commitInfo":{}}{"protocol""#),
            (r#"{"protocol":"#, "{\"commitInfo\":{}}\n{\"protocol\":"),
            (r#"{"protocol":"#, "{\"metaData\":{}}\n{\"protocol\":"),
            (r#"{"protocol":"#, r#"{"add":{},"protocol":"#),
            (r#"{"protocol":"#, "\n{\"protocol\":"),
            (r#"{"minReaderVersion":1}"#, "1"),
        ] {
            let spoiled = COMMIT.replace(from, to);
            assert_ne!(spoiled, COMMIT);
            assert!(CommitFile::parse(spoiled.as_bytes()).is_err(), "{to}");
        }
        assert!(CommitFile::parse(b"").is_err());
    }

    #[test]
    fn line_that_would_take_too_much_memory_is_refused_unparsed() {
        let mut line = vec![b'['; COMMIT_LINE_BYTES_MAX];
        assert!(matches!(CommitFile::parse(&line), Err(Error::Malformed { .. })));
        line.push(b'[');
        assert!(matches!(CommitFile::parse(&line), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn files_root_needs_every_tag() {
        let untagged = COMMIT.replace("dab.blake3", "other");
        let commit = CommitFile::parse(untagged.as_bytes()).unwrap();
        assert!(
            commit
                .files_root()
                .unwrap_err()
                .to_string()
                .contains("x.parquet has no tag dab.blake3")
        );
    }
}
