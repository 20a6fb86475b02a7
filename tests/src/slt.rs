//! Reads and writes `.slt` files, the format of sqllogictest: statements, queries and their answers.
//!
//! ```text
//! # a comment
//! statement ok
//! CREATE TABLE t (id BIGINT)
//!
//! statement error exists
//! CREATE TABLE t (id BIGINT)
//!
//! query IT
//! SELECT 1, 'x'
//! ----
//! 1 x
//! ```
//!
//! A record ends at an empty line. After `error` stands a part of the message that is due, upper or lower case. The letters
//! after `query` name a type for each column: I integer, R number, T anything else; only their count is checked.
//! The crate `sqllogictest` reads the same files; it is not used because its dependencies turn on features of DataFusion's,
//! and then `cargo run` and the tests would each compile DataFusion for themselves.

use std::fmt::{self, Display};

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Comments and empty lines, as they stand.
    Prose(String),
    /// A statement of which only success or failure matters.
    Statement {
        /// Its first line in the file, from 1.
        line: usize,
        /// A part of the error that is due; `None` when it must succeed.
        error: Option<String>,
        /// The statement.
        sql: String,
    },
    /// A query and its answer.
    Query {
        /// Its first line in the file, from 1.
        line: usize,
        /// A letter for each column.
        types: String,
        /// The query.
        sql: String,
        /// A line for each row, values apart by a blank.
        answer: Vec<String>,
    },
}

/// Reads a file.
///
/// # Errors
/// Names the line that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    while let Some((line, first)) = lines.next() {
        if first.trim().is_empty() || first.starts_with('#') {
            records.push(Record::Prose(first.to_owned()));
            continue;
        }
        let mut body = Vec::new();
        while let Some((_, next)) = lines.next_if(|(_, next)| !next.trim().is_empty()) {
            body.push(next);
        }
        let words = first.split_once(' ').unwrap_or((first, ""));
        records.push(match words {
            ("statement", "ok") => Record::Statement {
                line,
                error: None,
                sql: body.join("\n"),
            },
            // Any error at all would do for one without words, that of a misspelt test too.
            ("statement", "error") => return Err(format!("line {line}: say a part of the error that is due")),
            ("statement", rest) if rest.starts_with("error ") => Record::Statement {
                line,
                error: Some(rest["error".len()..].trim().to_owned()),
                sql: body.join("\n"),
            },
            ("query", types) => {
                let end = body.iter().position(|line| *line == "----");
                let end = end.ok_or_else(|| format!("line {line}: the query has no ----"))?;
                let answer = body[end + 1..].iter().map(|row| (*row).to_owned()).collect();
                Record::Query {
                    line,
                    types: types.to_owned(),
                    sql: body[..end].join("\n"),
                    answer,
                }
            }
            _ => return Err(format!("line {line}: neither statement nor query: {first}")),
        });
    }
    Ok(records)
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Prose(text) => writeln!(f, "{text}"),
            Record::Statement { error: None, sql, .. } => writeln!(f, "statement ok\n{sql}"),
            Record::Statement {
                error: Some(words),
                sql,
                ..
            } => {
                writeln!(f, "{}\n{sql}", format!("statement error {words}").trim_end())
            }
            Record::Query { types, sql, answer, .. } => {
                writeln!(f, "query {types}\n{sql}\n----")?;
                answer.iter().try_for_each(|row| writeln!(f, "{row}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_written_as_it_stands() {
        let text = "# prose\n\nstatement ok\nCREATE TABLE t (id BIGINT)\n\nstatement error exists\nCREATE\nTABLE t\n\n\
                    statement error Selec\nSELEC\n\nquery IT\nSELECT 1,\n'x'\n----\n1 x\n2 y\n\nquery I\nSELECT 1 WHERE false\n----\n";
        let records = parse(text).unwrap();
        assert_eq!(records.iter().map(Record::to_string).collect::<String>(), text);
        assert_eq!(
            records
                .iter()
                .filter(|record| !matches!(record, Record::Prose(_)))
                .count(),
            5
        );
    }

    #[test]
    fn what_is_no_record_is_named_by_its_line() {
        assert!(parse("\n\nstatment ok\nSELECT 1\n").unwrap_err().starts_with("line 3"));
        assert!(parse("statement error\nSELEC\n").unwrap_err().starts_with("line 1"));
        assert!(parse("query I\nSELECT 1\n").unwrap_err().contains("----"));
    }
}
