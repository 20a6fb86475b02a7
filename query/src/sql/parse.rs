//! Text to one syntax tree.

use datafusion::sql::parser::{DFParserBuilder, Statement};

use super::dialect::DabDialect;
use super::tokens::tokenize;
use crate::{Error, Limits};

/// How deep parentheses, subqueries and the like may nest; sqlparser's own default.
const NESTING_MAX: usize = 50;

/// One statement, parsed but not yet judged.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    /// How many table versions the text asks for.
    pub(crate) version_clauses: usize,
}

/// Parses exactly one statement; a semicolon may end it.
pub(crate) fn parse(sql: &str, limits: &Limits) -> Result<Parsed, Error> {
    let tokens = tokenize(sql, &DabDialect, limits)?;
    let mut parser = DFParserBuilder::new(tokens.tokens)
        .with_dialect(&DabDialect)
        .with_recursion_limit(NESTING_MAX)
        .build()?;
    let mut statements = parser.parse_statements()?;
    match (statements.pop_front(), statements.len()) {
        (None, _) => Err(Error::invalid("the statement is empty")),
        (Some(statement), 0) => Ok(Parsed {
            statement,
            version_clauses: tokens.version_clauses,
        }),
        (Some(_), more) => Err(Error::invalid(format!(
            "one statement at a time: this text holds {}",
            more + 1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: Result<&str, &str>) {
        let found = parse(sql, &Limits::default())
            .map(|p| p.statement.to_string())
            .map_err(|e| e.to_string());
        match expected {
            Ok(text) => assert_eq!(found.as_deref(), Ok(text), "{sql}"),
            Err(part) => {
                let message = found.expect_err(sql);
                assert!(message.contains(part), "{sql}: {message}");
            }
        }
    }

    #[test]
    fn one_statement_with_or_without_semicolon() {
        check("select 1", Ok("SELECT 1"));
        check(" select ? ; ; ", Ok("SELECT $1"));
        check("select 1; select 2", Err("one statement at a time: this text holds 2"));
        check("", Err("the statement is empty"));
        check("-- nothing\n;", Err("the statement is empty"));
    }

    #[test]
    fn errors_name_the_place() {
        check("select (1, 2", Err("syntax error: expected: ), found: EOF"));
        check(
            "select 'open",
            Err("syntax error: unterminated string literal at Line: 1, Column: 8"),
        );
        check("selec 1", Err("found: selec at Line: 1, Column: 1"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let sql = format!("SELECT {}1{}", "(".repeat(2_000), ")".repeat(2_000));
        check(&sql, Err("the statement nests too deep"));
    }
}
