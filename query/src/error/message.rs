//! What clients read of an error: about their statement, and nothing of the machinery or of the node's disk.

use std::borrow::Cow;

use dab_storage::Error as StorageError;
use datafusion::common::SchemaError;
use datafusion::sql::sqlparser::parser::ParserError;

use super::Error;

/// DataFusion speaks of its reservations and of settings that only the operator has; the first sentence is enough.
pub(super) fn exhausted(message: &str) -> Error {
    if message.contains("spilling") {
        return Error::ResourceExhausted {
            what: "disk for spilling",
            limit: "the node's setting".into(),
            message: "the statement sorts, joins or groups more than fits".into(),
        };
    }
    let message = message
        .lines()
        .find(|line| line.contains("Failed to allocate"))
        .unwrap_or(message);
    Error::ResourceExhausted {
        what: "memory",
        limit: "the node's setting".into(),
        message: clean(message.split(" - ").next().unwrap_or(message)).into_owned(),
    }
}

pub(super) fn spill_disk_full() -> Error {
    Error::ResourceExhausted {
        what: "disk for spilling",
        limit: "what is free".into(),
        message: "the disk that takes spilled rows is full".into(),
    }
}

pub(super) fn syntax_message(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            format!("syntax error: {}", clean(message))
        }
        ParserError::RecursionLimitExceeded => "the statement nests too deep".into(),
    }
}

/// DataFusion's own text names a setting that DAB does not have.
pub(super) fn schema_message(error: &SchemaError) -> String {
    let SchemaError::FieldNotFound { field, valid_fields } = error else {
        return clean(&error.to_string()).into_owned();
    };
    let text = error.to_string();
    let first = text.lines().next().unwrap_or(&text).trim_end_matches('.');
    let mut message =
        clean(first)
            .replacen("no field named", "no column named", 1)
            .replacen(". Did you mean", "; did you mean", 1);
    let wanted = field.name.to_lowercase();
    if let Some(other_case) = valid_fields
        .iter()
        .find(|c| c.name != field.name && c.name.to_lowercase() == wanted)
    {
        message += &format!(
            "; names without quotes are read in lower case: write \"{}\"",
            other_case.name
        );
    } else if !valid_fields.is_empty() && !message.contains("did you mean") {
        let names: Vec<_> = valid_fields
            .iter()
            .take(20)
            .map(|column| column.name.as_str())
            .collect();
        let more = if valid_fields.len() > names.len() { ", ..." } else { "" };
        message += &format!("; there are {}{more}", names.join(", "));
    }
    message
}

/// Cuts what is about DataFusion itself, and the capital letter in front.
pub(super) fn clean(message: &str) -> Cow<'_, str> {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let message = message
        .split("\nThis issue was likely caused by a bug")
        .next()
        .unwrap_or(message);
    let message = message
        .trim()
        .trim_start_matches("sql parser error: ")
        .trim_end_matches('.');
    let mut chars = message.chars();
    match (chars.next(), chars.next()) {
        // SQL keywords and the like stay as they are
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            Cow::Owned(first.to_lowercase().chain(message.chars().skip(1)).collect())
        }
        _ => Cow::Borrowed(message),
    }
}

/// What storage reports, for the client.
pub(super) fn storage_message(error: &StorageError) -> String {
    let text = error.to_string();
    match error {
        StorageError::Store(_)
        | StorageError::Delta(_)
        | StorageError::Io { .. }
        | StorageError::StoreStopped { .. }
        | StorageError::Query(_)
        | StorageError::OutcomeUnknown(_)
        | StorageError::Ledger(_) => without_paths(&text),
        // they name files below the table's folder, or nothing but what the client said
        _ => text,
    }
}

/// Shortens paths that begin at the root of the node's disk: to what stands within a table's log, or to the file's name.
/// Where the node keeps its data is not the client's business; the trace has it.
pub(super) fn without_paths(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = start_of_path(rest) {
        let before = rest[..start].trim_end_matches("file://");
        result.push_str(before);
        let closing = before.chars().next_back().filter(|c| ['"', '\'', '`'].contains(c));
        let path = &rest[start..];
        let ends = |c: char| closing.map_or(c.is_whitespace() || "\"'`,;)]}>".contains(c), |quote| c == quote);
        let end = path.find(ends).unwrap_or(path.len());
        let (path, after) = path.split_at(end);
        let (path, punctuation) = path.split_at(path.trim_end_matches([':', '.']).len());
        let short = match path.find("_delta_log") {
            Some(log) => &path[log..],
            None => path.trim_end_matches('/').rsplit('/').next().unwrap_or_default(),
        };
        result.push_str(short);
        result.push_str(punctuation);
        rest = after;
    }
    result + rest
}

/// Where a path begins: a slash that no word stands before.
fn start_of_path(text: &str) -> Option<usize> {
    let slashes = text.match_indices('/');
    let begins = |at: usize| {
        let before = text[..at].trim_end_matches("file://").chars().next_back();
        let follows = text[at + 1..].chars().next();
        text[..at].ends_with("file://")
            || before.is_none_or(|c| !c.is_alphanumeric() && !"_-./:%".contains(c))
                && follows.is_some_and(|c| c.is_alphanumeric() || "._".contains(c))
    };
    slashes.map(|(at, _)| at).find(|at| begins(*at))
}
