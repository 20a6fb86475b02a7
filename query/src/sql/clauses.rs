//! Clauses that parse but that the planner would pass over in silence. An answer that ignores half a question is worse
//! than none, so they are refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, OrderBy, OrderByKind, Query, Select, Statement, TableAlias, TableFactor, Value, ValueWithSpan, Visit,
    Visitor,
};

use super::tokens::check_parameter_name;
use crate::{Error, Limits};

/// Walks a whole statement and refuses what would be ignored, or would take the planner too long.
pub(crate) fn check_clauses(statement: &Statement, limits: &Limits) -> Result<(), Error> {
    let mut visitor = Clauses {
        limits,
        statements: 0,
        with_depth: 0,
    };
    match statement.visit(&mut visitor) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Clauses<'a> {
    limits: &'a Limits,
    statements: usize,
    with_depth: usize,
}

impl Visitor for Clauses<'_> {
    type Break = Error;

    fn pre_visit_statement(&mut self, _statement: &Statement) -> ControlFlow<Error> {
        self.statements += 1;
        refuse_if(self.statements > 1, "a statement within a statement")
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        if let Some(with) = &query.with {
            self.with_depth += 1;
            if self.with_depth > self.limits.with_depth_max {
                return ControlFlow::Break(Error::ResourceExhausted {
                    what: "the nesting of WITH",
                    limit: self.limits.with_depth_max.to_string(),
                    message: "list the queries side by side in one WITH".into(),
                });
            }
            for cte in &with.cte_tables {
                refuse_if(cte.from.is_some(), "FROM after a query in WITH")?;
                check_alias(Some(&cte.alias))?;
            }
        }
        refuse_if(!query.locks.is_empty(), "FOR UPDATE or FOR SHARE")?;
        refuse_if(query.for_clause.is_some(), "FOR XML, JSON or BROWSE")?;
        refuse_if(query.settings.is_some(), "SETTINGS")?;
        refuse_if(query.format_clause.is_some(), "FORMAT")?;
        check_order(query.order_by.as_ref())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        self.with_depth -= usize::from(query.with.is_some());
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        refuse_if(select.prewhere.is_some(), "PREWHERE")?;
        refuse_if(!select.connect_by.is_empty(), "CONNECT BY")?;
        refuse_if(select.select_modifiers.is_some(), "a modifier after SELECT")?;
        refuse_if(select.value_table_mode.is_some(), "SELECT AS VALUE or AS STRUCT")?;
        refuse_if(select.exclude.is_some(), "EXCLUDE after the columns")?;
        refuse_if(select.into.is_some(), "SELECT INTO; use CREATE TABLE ... AS")?;
        if select.projection.len() > self.limits.columns_max {
            return ControlFlow::Break(Error::ResourceExhausted {
                what: "the number of columns of a query",
                limit: self.limits.columns_max.to_string(),
                message: format!("this one has {}", select.projection.len()),
            });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table {
                alias,
                with_hints,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
                ..
            } => {
                refuse_if(sample.is_some(), "TABLESAMPLE")?;
                refuse_if(!with_hints.is_empty(), "WITH (...) after a table")?;
                refuse_if(!index_hints.is_empty(), "an index hint")?;
                refuse_if(!partitions.is_empty(), "PARTITION (...) after a table; use WHERE")?;
                refuse_if(json_path.is_some(), "a path after a table")?;
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                check_alias(alias.as_ref())
            }
            TableFactor::Derived { alias, sample, .. } => {
                refuse_if(sample.is_some(), "TABLESAMPLE")?;
                check_alias(alias.as_ref())
            }
            TableFactor::Function {
                with_ordinality, alias, ..
            } => {
                refuse_if(*with_ordinality, "WITH ORDINALITY")?;
                check_alias(alias.as_ref())
            }
            TableFactor::NestedJoin { alias, .. } => check_alias(alias.as_ref()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        refuse_if(matches!(expr, Expr::Collate { .. }), "COLLATE")
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Error> {
        match &value.value {
            // `:name` is no token of its own, so the first check has not seen it
            Value::Placeholder(name) => match check_parameter_name(name, self.limits) {
                Ok(_) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            },
            _ => ControlFlow::Continue(()),
        }
    }
}

fn check_order(order: Option<&OrderBy>) -> ControlFlow<Error> {
    match order.map(|order| &order.kind) {
        Some(OrderByKind::Expressions(expressions)) => refuse_if(
            expressions.iter().any(|expression| expression.with_fill.is_some()),
            "ORDER BY ... WITH FILL",
        ),
        Some(OrderByKind::All(_)) => refuse_if(true, "ORDER BY ALL"),
        None => ControlFlow::Continue(()),
    }
}

/// `@` separates a table from its version: a query that calls itself `t@3` could pass for a table's past.
fn check_alias(alias: Option<&TableAlias>) -> ControlFlow<Error> {
    let Some(TableAlias {
        name: Ident { value, .. },
        at,
        ..
    }) = alias
    else {
        return ControlFlow::Continue(());
    };
    refuse_if(at.is_some(), "AT after an alias")?;
    refuse_if(value.contains('@'), "an alias with @ in it")
}

fn refuse_if(found: bool, what: &str) -> ControlFlow<Error> {
    if found {
        ControlFlow::Break(Error::not_supported(format!("not supported: {what}")))
    } else {
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement as DataFusionStatement;

    use super::*;
    use crate::sql::parse::parse;

    fn check(sql: &str) -> Result<(), String> {
        let limits = Limits {
            with_depth_max: 3,
            ..Limits::default()
        };
        let parsed = parse(sql, &limits).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let DataFusionStatement::Statement(statement) = parsed.statement else {
            panic!("{sql}")
        };
        check_clauses(&statement, &limits).map_err(|error| error.to_string())
    }

    #[test]
    fn clauses_that_the_planner_would_ignore_are_refused() {
        for (sql, part) in [
            ("SELECT * FROM t TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
            ("SELECT * FROM (SELECT 1) AS x TABLESAMPLE (10 PERCENT)", "TABLESAMPLE"),
            ("SELECT * FROM t WITH (NOLOCK)", "WITH (...)"),
            ("SELECT * FROM t PARTITION (p0)", "PARTITION"),
            ("SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
            (
                "SELECT * FROM u WHERE a IN (SELECT b FROM t FOR SHARE)",
                "FOR UPDATE or FOR SHARE",
            ),
            ("SELECT * FROM t SETTINGS a = 1", "SETTINGS"),
            ("SELECT * FROM t FORMAT JSON", "FORMAT"),
            ("SELECT * FROM t PREWHERE a = 1", "PREWHERE"),
            ("SELECT * FROM t START WITH a = 1 CONNECT BY PRIOR a = b", "CONNECT BY"),
            ("SELECT * FROM t ORDER BY a WITH FILL", "WITH FILL"),
            ("SELECT a COLLATE x FROM t", "COLLATE"),
            ("SELECT * INTO u FROM t", "SELECT INTO"),
            ("SELECT * FROM t AS \"t@3\"", "@"),
            ("WITH \"t@3\" AS (SELECT 1) SELECT * FROM t", "@"),
            ("SELECT :name", "parameter"),
        ] {
            let message = check(sql).expect_err(sql);
            assert!(message.contains(part), "{sql}: {message}");
        }
    }

    #[test]
    fn the_common_clauses_pass() {
        for sql in [
            "SELECT a, count(*) FROM t x JOIN u USING (a) WHERE b > $1 GROUP BY a HAVING count(*) > 2 ORDER BY 1",
            "WITH x AS (SELECT 1), y AS (WITH z AS (SELECT 2) SELECT * FROM z) SELECT * FROM x, y LIMIT 3 OFFSET 1",
            "SELECT * FROM generate_series(1, 10) AS s(n)",
            "SELECT * FROM t, UNNEST(t.list) AS l, LATERAL (SELECT 1) AS d",
            "INSERT INTO t SELECT * FROM u ORDER BY 1",
        ] {
            assert_eq!(check(sql), Ok(()), "{sql}");
        }
    }

    /// DataFusion visits the queries of a WITH twice at each level, to tell tables from their names.
    #[test]
    fn deep_nesting_of_with_is_refused() {
        let nested = |depth: usize| {
            format!(
                "{} SELECT 1 {}",
                "WITH x AS (".repeat(depth),
                ") SELECT * FROM x".repeat(depth)
            )
        };
        assert_eq!(check(&nested(3)), Ok(()));
        assert!(
            check(&nested(4))
                .unwrap_err()
                .contains("the nesting of WITH is limited to 3")
        );
    }
}
