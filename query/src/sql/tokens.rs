//! What is settled before there is a syntax tree: size, parameters, and the spellings of table versions.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::{Error, Limits};

/// A statement's tokens, with `?` numbered and `FOR VERSION AS OF` put into the one spelling that the parser knows.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// How often a table version is asked for. The rewrite of the syntax tree must find as many.
    pub(crate) version_clauses: usize,
}

/// Splits a statement into tokens and refuses what would be too much for the parser or the planner.
///
/// The parser limits how deep a statement nests, but a chain such as `1 + 1 + 1 ...` nests without any parentheses: its
/// tree is as deep as the chain is long, and even dropping it recurses that deep. Hence the count of operators here.
pub(crate) fn tokenize(sql: &str, dialect: &dyn Dialect, limits: &Limits) -> Result<Tokens, Error> {
    if sql.len() > limits.sql_bytes_max {
        return Err(Error::ResourceExhausted {
            what: "the length of a statement",
            limit: format!("{} bytes", limits.sql_bytes_max),
            message: format!("this one has {}; rows in bulk go by ingest or load", sql.len()),
        });
    }
    let tokens = Tokenizer::new(dialect, sql)
        .tokenize_with_location()
        .map_err(|error| Error::from(datafusion::error::DataFusionError::from(ParserError::from(error))))?;
    let mut tokens: Vec<_> = tokens
        .into_iter()
        .filter(|t| !matches!(t.token, Token::Whitespace(_)))
        .collect();
    if tokens.len() > limits.tokens_max {
        return Err(Error::ResourceExhausted {
            what: "the number of tokens of a statement",
            limit: limits.tokens_max.to_string(),
            message: format!("this one has {}; rows in bulk go by ingest or load", tokens.len()),
        });
    }
    check_chains(&tokens, limits)?;
    number_parameters(&mut tokens, limits)?;
    let version_clauses = normalize_versions(&mut tokens);
    Ok(Tokens {
        tokens,
        version_clauses,
    })
}

/// Operators since the last comma or clause, and set operations, of one level of parentheses.
#[derive(Default)]
struct Chain {
    operators: usize,
    set_operations: usize,
}

fn check_chains(tokens: &[TokenWithSpan], limits: &Limits) -> Result<(), Error> {
    let mut levels = vec![Chain::default()];
    for token in tokens {
        let closes = matches!(token.token, Token::RParen | Token::RBracket | Token::RBrace);
        if closes && levels.len() > 1 {
            levels.pop();
            continue;
        }
        let chain = levels.last_mut().expect("the outermost level is never closed");
        match &token.token {
            Token::Comma => chain.operators = 0,
            Token::Word(word) => match word.keyword {
                Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => chain.set_operations += 1,
                Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::GROUP | Keyword::HAVING => {
                    chain.operators = 0;
                }
                Keyword::ORDER | Keyword::WHEN | Keyword::THEN | Keyword::ELSE => chain.operators = 0,
                Keyword::NoKeyword | Keyword::AS => {}
                _ => chain.operators += 1,
            },
            Token::VerticalBarRightAngleBracket => chain.set_operations += 1,
            Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
            _ => chain.operators += 1,
        }
        if chain.operators.max(chain.set_operations) > limits.operator_chain_max {
            return Err(Error::ResourceExhausted {
                what: "a chain of operators",
                limit: format!("{}", limits.operator_chain_max),
                message: format!(
                    "this one is longer, at {}; use IN, or load the values as a table",
                    place(token)
                ),
            });
        }
        if matches!(token.token, Token::LParen | Token::LBracket | Token::LBrace) {
            levels.push(Chain::default());
        }
    }
    Ok(())
}

/// Turns each `?` into `$1`, `$2`, ... in the order of the text. DataFusion takes all `?` for one and the same
/// parameter, and allocates as many parameters as the highest number that it meets.
fn number_parameters(tokens: &mut [TokenWithSpan], limits: &Limits) -> Result<(), Error> {
    let mut positional = 0;
    let mut numbered = false;
    for token in tokens {
        let Token::Placeholder(name) = &mut token.token else {
            continue;
        };
        if name == "?" {
            positional += 1;
            *name = format!("${positional}");
        } else {
            check_parameter_name(name, limits)?;
            numbered = true;
        }
        if positional > 0 && numbered {
            return Err(Error::invalid(
                "parameters are either all ? or all $1, $2, ...: this statement mixes them",
            ));
        }
        if positional > limits.parameters_max {
            return Err(too_many_parameters(limits));
        }
    }
    Ok(())
}

/// Accepts `$1` to `$<parameters_max>` and nothing else.
pub(crate) fn check_parameter_name(name: &str, limits: &Limits) -> Result<usize, Error> {
    let digits = name.strip_prefix('$').unwrap_or_default();
    if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::invalid(format!(
            "{name} is no parameter: parameters are written ? or $1, $2, ..."
        )));
    }
    match digits.parse() {
        Ok(number) if number <= limits.parameters_max => Ok(number),
        _ => Err(too_many_parameters(limits)),
    }
}

fn too_many_parameters(limits: &Limits) -> Error {
    Error::ResourceExhausted {
        what: "the number of parameters",
        limit: limits.parameters_max.to_string(),
        message: "rows in bulk go by ingest or load".into(),
    }
}

/// Drops the `FOR` of `FOR VERSION AS OF` and `FOR TIMESTAMP AS OF`, and counts all version clauses.
fn normalize_versions(tokens: &mut Vec<TokenWithSpan>) -> usize {
    let keyword = |token: Option<&TokenWithSpan>| match token.map(|t| &t.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let mut clauses = 0;
    let mut at = 0;
    while at < tokens.len() {
        let follows = [
            keyword(tokens.get(at)),
            keyword(tokens.get(at + 1)),
            keyword(tokens.get(at + 2)),
        ];
        let [
            what @ (Keyword::VERSION | Keyword::TIMESTAMP | Keyword::SYSTEM_TIME),
            Keyword::AS,
            Keyword::OF,
        ] = follows
        else {
            at += 1;
            continue;
        };
        clauses += 1;
        let spelled_with_for = at > 0 && keyword(tokens.get(at - 1)) == Keyword::FOR;
        if spelled_with_for && what != Keyword::SYSTEM_TIME {
            tokens.remove(at - 1);
        } else {
            at += 1;
        }
    }
    clauses
}

fn place(token: &TokenWithSpan) -> String {
    format!("line {}, column {}", token.span.start.line, token.span.start.column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::DabDialect;

    fn check(sql: &str) -> Result<(String, usize), Error> {
        let limits = Limits {
            operator_chain_max: 50,
            parameters_max: 20,
            sql_bytes_max: 2_000,
            ..Limits::default()
        };
        let tokens = tokenize(sql, &DabDialect, &limits)?;
        let text: Vec<_> = tokens.tokens.iter().map(|t| t.token.to_string()).collect();
        Ok((text.join(" "), tokens.version_clauses))
    }

    #[test]
    fn question_marks_are_numbered_in_the_order_of_the_text() {
        let (text, _) = check("SELECT ? , '?' FROM t WHERE a = ? -- ?\n LIMIT ?").unwrap();
        assert_eq!(text, "SELECT $1 , '?' FROM t WHERE a = $2 LIMIT $3");
    }

    #[test]
    fn mixed_and_strange_parameters_are_refused() {
        for sql in [
            "SELECT ?, $1",
            "SELECT $1, ?",
            "SELECT $name",
            "SELECT $0",
            "SELECT $01",
            "SELECT ?1",
        ] {
            let message = check(sql).unwrap_err().to_string();
            assert!(message.contains("parameter"), "{sql}: {message}");
        }
    }

    /// DataFusion's planner of INSERT allocates one slot for each number up to the highest.
    #[test]
    fn a_huge_parameter_number_is_refused_before_planning() {
        for sql in ["INSERT INTO t VALUES ($4000000000)", "SELECT $99999999999999999999999"] {
            let message = check(sql).unwrap_err().to_string();
            assert!(
                message.starts_with("the number of parameters is limited to 20"),
                "{sql}: {message}"
            );
        }
    }

    #[test]
    fn all_spellings_of_a_version_become_one() {
        for (sql, expected) in [
            ("FROM t FOR VERSION AS OF 3", "FROM t VERSION AS OF 3"),
            ("FROM t for timestamp as of 'x'", "FROM t timestamp as of 'x'"),
            ("FROM t FOR SYSTEM_TIME AS OF 'x'", "FROM t FOR SYSTEM_TIME AS OF 'x'"),
            ("FROM t VERSION AS OF 3", "FROM t VERSION AS OF 3"),
        ] {
            assert_eq!(check(sql).unwrap(), (expected.to_owned(), 1), "{sql}");
        }
        assert_eq!(
            check("SELECT version, \"version\" AS \"of\" FROM t FOR UPDATE")
                .unwrap()
                .1,
            0
        );
    }

    #[test]
    fn long_chains_are_refused_wherever_they_stand() {
        let chain = |operator: &str| vec!["1"; 60].join(operator);
        for sql in [
            format!("SELECT {}", chain(" + ")),
            format!("SELECT (2, 3, f({}))", chain(" OR ")),
            format!("SELECT * FROM t WHERE x = 1 AND {}", chain(" AND ")),
            format!("SELECT 1{}", "::INT".repeat(60)),
            format!("SELECT x{}", "[1]".repeat(60)),
            format!("SELECT x {}", "IS NULL ".repeat(60)),
            format!("SELECT {}", chain(" UNION ALL SELECT ")),
            format!("FROM t {}", "|> WHERE a ".repeat(60)),
            format!("SELECT CAST(1 AS {}", "ARRAY<".repeat(60)),
        ] {
            let error = check(&sql).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::ResourceExhausted {
                        what: "a chain of operators",
                        ..
                    }
                ),
                "{sql}: {error}"
            );
        }
        let many_short = format!("SELECT {}", vec!["a + b * 2"; 100].join(", "));
        assert!(check(&many_short).is_ok());
        let many_rows = format!("INSERT INTO t VALUES {}", vec!["(1, -2)"; 100].join(", "));
        assert!(check(&many_rows).is_ok());
    }

    #[test]
    fn a_statement_over_the_byte_limit_is_refused_unread() {
        let error = check(&format!("SELECT '{}", "x".repeat(2_000))).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the length of a statement is limited to 2000 bytes"),
            "{error}"
        );
    }
}
