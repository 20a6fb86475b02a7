//! `t VERSION AS OF 3` and `t TIMESTAMP AS OF '...'`.
//!
//! DataFusion parses these clauses and then reads the latest version all the same, without a word. So they are taken
//! out of the syntax tree before it is planned: the table becomes `t@3` (or `t@t<milliseconds>`), a name that no table
//! can have and that the [catalog](crate::catalog_provider) resolves to that version. `t@3` may also be written as it
//! is; it is how pins and footers name a version.

use std::ops::ControlFlow;

use dab_storage::{TableVersion, VersionSpec};
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Statement, TableAlias, TableFactor, TableVersion as Clause, Value,
    VisitMut, VisitorMut,
};

use super::as_of::check_time;
use crate::Error;

/// Evaluates a constant expression to a time, in milliseconds since 1970 UTC.
pub(crate) type EvaluateTime<'a> = dyn Fn(Expr) -> Result<i64, Error> + 'a;

/// Rewrites every version clause of a statement. `clauses` is how many the text holds: if the syntax tree shows
/// fewer, one stands where it would be ignored, and the statement is refused.
pub(crate) fn rewrite_versions(
    statement: &mut Statement,
    clauses: usize,
    evaluate: &EvaluateTime<'_>,
) -> Result<(), Error> {
    let mut visitor = Versions {
        evaluate,
        queries: Vec::new(),
        rewritten: 0,
    };
    if let ControlFlow::Break(error) = statement.visit(&mut visitor) {
        return Err(error);
    }
    if visitor.rewritten != clauses {
        return Err(Error::invalid(
            "a version (VERSION AS OF, TIMESTAMP AS OF) can only follow the name of a table that is read; if it is \
             an alias named of, quote it",
        ));
    }
    Ok(())
}

/// Splits `t@3` and `t@t1700000000000` into the table and its version; a plain name means the latest.
pub(crate) fn split_version(reference: &str) -> Result<(&str, VersionSpec), Error> {
    let Some((table, version)) = reference.split_once('@') else {
        return Ok((reference, VersionSpec::Latest));
    };
    let parsed = match version.strip_prefix('t') {
        Some(milliseconds) => milliseconds.parse().ok().map(VersionSpec::Timestamp),
        None => version
            .parse()
            .ok()
            .map(|number| VersionSpec::Version(TableVersion(number))),
    };
    match parsed {
        Some(version) => Ok((table, version)),
        None => Err(Error::invalid(format!(
            "{reference} names no version: write {table}@3 or VERSION AS OF 3"
        ))),
    }
}

struct Versions<'a> {
    evaluate: &'a EvaluateTime<'a>,
    /// The names that WITH gives to queries, as far as they are in scope.
    queries: Vec<String>,
    rewritten: usize,
}

impl VisitorMut for Versions<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let Some(with) = &mut query.with else {
            return ControlFlow::Continue(());
        };
        if with.recursive {
            self.queries
                .extend(with.cte_tables.iter().map(|cte| normalized(&cte.alias.name)));
        } else {
            // Each query of the list sees the names before its own, so they are visited here, one by one. That they
            // are visited again with the rest changes nothing: no clause is left in them.
            for cte in &mut with.cte_tables {
                cte.query.visit(self)?;
                self.queries.push(normalized(&cte.alias.name));
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        let names = query.with.as_ref().map_or(0, |with| with.cte_tables.len());
        self.queries.truncate(self.queries.len() - names);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match self.rewrite(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Versions<'_> {
    fn rewrite(&mut self, factor: &mut TableFactor) -> Result<(), Error> {
        let TableFactor::Table {
            name,
            alias,
            version,
            args,
            ..
        } = factor
        else {
            return Ok(());
        };
        let clause = version.take();
        let Some(ObjectNamePart::Identifier(last)) = name.0.last() else {
            return Ok(());
        };
        let table = normalized(last);
        let suffix = match clause {
            None if table.contains('@') => String::new(),
            None => return Ok(()),
            Some(_) if args.is_some() => return Err(Error::invalid(format!("{table}(...) has no versions"))),
            Some(_) if table.contains('@') => {
                return Err(Error::invalid(format!("{table} names its version already")));
            }
            Some(_) if name.0.len() == 1 && self.queries.contains(&table) => {
                return Err(Error::invalid(format!(
                    "{table} is a query of this statement and has no versions"
                )));
            }
            Some(clause) => {
                self.rewritten += 1;
                self.suffix(clause)?
            }
        };
        if alias.is_none() {
            let plain = table.split('@').next().unwrap_or(&table);
            *alias = Some(alias_of(plain));
        }
        replace_last(name, table + &suffix);
        Ok(())
    }

    fn suffix(&self, clause: Clause) -> Result<String, Error> {
        match clause {
            Clause::VersionAsOf(version) => Ok(format!("@{}", version_number(&version)?)),
            Clause::TimestampAsOf(time) | Clause::ForSystemTimeAsOf(time) => {
                check_time(&time)?;
                Ok(format!("@t{}", (self.evaluate)(time)?))
            }
            Clause::Function(_) | Clause::Changes { .. } => Err(Error::not_supported(
                "AT, BEFORE and CHANGES are not supported: write VERSION AS OF 3 or TIMESTAMP AS OF '2026-01-31'",
            )),
        }
    }
}

fn version_number(expression: &Expr) -> Result<u64, Error> {
    if let Expr::Value(value) = expression {
        match &value.value {
            Value::Number(digits, _) => {
                if let Ok(number) = digits.to_string().parse() {
                    return Ok(number);
                }
            }
            Value::Placeholder(_) => {
                return Err(Error::not_supported(
                    "a version cannot be a parameter: a statement reads versions that are fixed when it is prepared",
                ));
            }
            _ => {}
        }
    }
    Err(Error::invalid(format!(
        "{expression} is no version: versions are whole numbers from 0"
    )))
}

fn alias_of(name: &str) -> TableAlias {
    TableAlias {
        explicit: true,
        name: Ident::with_quote('"', name),
        columns: Vec::new(),
        at: None,
    }
}

fn replace_last(name: &mut ObjectName, with: String) {
    if let Some(last) = name.0.last_mut() {
        *last = ObjectNamePart::Identifier(Ident::with_quote('"', with));
    }
}

/// A name as the catalog sees it: in lower case, unless it was quoted.
pub(super) fn normalized(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::empty::EmptyTable;
    use datafusion::prelude::SessionContext;
    use datafusion::sql::parser::Statement as DataFusionStatement;

    use super::*;
    use crate::Limits;
    use crate::sql::parse::parse;

    fn check(sql: &str) -> Result<String, String> {
        let parsed = parse(sql, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let DataFusionStatement::Statement(mut statement) = parsed.statement else {
            panic!("{sql}")
        };
        let evaluate = |_: Expr| Ok(1_700);
        rewrite_versions(&mut statement, parsed.version_clauses, &evaluate).map_err(|error| error.to_string())?;
        Ok(statement.to_string())
    }

    /// The reason for this file: DataFusion 55 plans the clause as if it were not there. Should this test fail one day,
    /// DataFusion has begun to refuse or to honour it.
    #[tokio::test]
    async fn datafusion_by_itself_reads_the_latest_version_without_a_word() {
        let context = SessionContext::new();
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int32, true)]));
        context.register_table("t", Arc::new(EmptyTable::new(schema))).unwrap();
        let parsed = parse("SELECT a FROM t VERSION AS OF 1", &Limits::default()).unwrap();
        let plan = context.state().statement_to_plan(parsed.statement).await.unwrap();
        assert_eq!(plan.display_indent().to_string(), "Projection: t.a\n  TableScan: t");
    }

    #[test]
    fn every_spelling_becomes_a_reference() {
        for clause in ["VERSION AS OF 12", "FOR VERSION AS OF 12", "version as of 12"] {
            assert_eq!(
                check(&format!("SELECT * FROM t {clause}")).unwrap(),
                r#"SELECT * FROM "t@12" AS "t""#
            );
        }
        for clause in [
            "TIMESTAMP AS OF '2026-01-01'",
            "FOR TIMESTAMP AS OF now()",
            "FOR SYSTEM_TIME AS OF 'x'",
        ] {
            assert_eq!(
                check(&format!("SELECT * FROM t {clause}")).unwrap(),
                r#"SELECT * FROM "t@t1700" AS "t""#
            );
        }
        assert_eq!(check("SELECT * FROM t@12").unwrap(), r#"SELECT * FROM "t@12" AS "t""#);
    }

    #[test]
    fn names_keep_their_schema_case_and_alias() {
        for (sql, expected) in [
            (
                "SELECT * FROM public.T VERSION AS OF 1",
                r#"SELECT * FROM public."t@1" AS "t""#,
            ),
            (r#"SELECT * FROM "T" VERSION AS OF 1"#, r#"SELECT * FROM "T@1" AS "T""#),
            (
                "SELECT * FROM t VERSION AS OF 1 AS x (a)",
                r#"SELECT * FROM "t@1" AS x (a)"#,
            ),
            ("SELECT * FROM t VERSION AS OF 1 x", r#"SELECT * FROM "t@1" x"#),
        ] {
            assert_eq!(check(sql).unwrap(), expected, "{sql}");
        }
    }

    #[test]
    fn versions_are_found_wherever_a_table_is_read() {
        for sql in [
            "SELECT * FROM u JOIN t VERSION AS OF 5 ON u.a = t.a",
            "SELECT * FROM u, (SELECT * FROM t VERSION AS OF 5) AS x",
            "SELECT * FROM u WHERE a IN (SELECT a FROM t VERSION AS OF 5)",
            "SELECT (SELECT max(a) FROM t VERSION AS OF 5) FROM u",
            "WITH t AS (SELECT * FROM t VERSION AS OF 5) SELECT * FROM t, u",
            "WITH RECURSIVE r AS (SELECT a FROM t VERSION AS OF 5 UNION ALL SELECT a FROM r, u) SELECT * FROM r",
            "SELECT * FROM u UNION ALL SELECT * FROM t VERSION AS OF 5",
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM t VERSION AS OF 5) THEN 1 END FROM u",
            "INSERT INTO u SELECT * FROM t VERSION AS OF 5",
            "CREATE TABLE u AS SELECT * FROM t VERSION AS OF 5",
            "FROM u |> UNION ALL (SELECT * FROM t VERSION AS OF 5)",
            "SELECT * FROM u ORDER BY (SELECT max(a) FROM t VERSION AS OF 5)",
        ] {
            let rewritten = check(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert!(rewritten.contains("\"t@5\""), "{sql}: {rewritten}");
            assert!(!rewritten.contains(" OF "), "{sql}: {rewritten}");
        }
    }

    #[test]
    fn what_has_no_version_is_refused() {
        for (sql, part) in [
            (
                "WITH x AS (SELECT 1) SELECT * FROM x VERSION AS OF 1",
                "x is a query of this statement",
            ),
            ("SELECT * FROM t VERSION AS OF -1", "syntax error"),
            ("SELECT * FROM t VERSION AS OF 1.5", "1.5 is no version"),
            ("SELECT * FROM t VERSION AS OF 99999999999999999999", "is no version"),
            ("SELECT * FROM t VERSION AS OF ?", "cannot be a parameter"),
            ("SELECT * FROM t@3 VERSION AS OF 3", "names its version already"),
            (
                "SELECT * FROM t AT(TIMESTAMP => 'x')",
                "AT, BEFORE and CHANGES are not supported",
            ),
            (
                "SELECT 1 AS version, timestamp AS of",
                "can only follow the name of a table",
            ),
        ] {
            let found = match parse(sql, &Limits::default()) {
                Err(error) => Err(error.to_string()),
                Ok(_) => check(sql),
            };
            let message = found.expect_err(sql);
            assert!(message.contains(part), "{sql}: {message}");
        }
    }

    #[test]
    fn references_split_into_table_and_version() {
        assert_eq!(split_version("t").unwrap(), ("t", VersionSpec::Latest));
        assert_eq!(
            split_version("t@12").unwrap(),
            ("t", VersionSpec::Version(TableVersion(12)))
        );
        assert_eq!(split_version("t@t-5").unwrap(), ("t", VersionSpec::Timestamp(-5)));
        for reference in ["t@", "t@x", "t@1@2", "t@-1", "t@t", "t@+1x"] {
            assert!(split_version(reference).is_err(), "{reference}");
        }
    }

    #[test]
    fn statements_without_versions_stay_as_they_are() {
        for sql in [
            "SELECT * FROM t AS x",
            "SELECT \"a@b\" FROM t",
            "INSERT INTO t VALUES (1)",
        ] {
            assert_eq!(check(sql).unwrap(), sql);
        }
    }
}
