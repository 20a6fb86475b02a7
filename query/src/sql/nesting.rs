//! How large a statement becomes once each query of a `WITH` stands in every place that names it.
//!
//! `WITH a AS (SELECT 1), b AS (SELECT * FROM a, a), c AS (SELECT * FROM b, b), ...` doubles with each line: its plan shares
//! the parts, but whoever walks over it meets each of them as often as it is named.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, ObjectNamePart, PipeOperator, Query, Select, Statement, TableFactor, Visit, Visitor,
};

use super::time_travel::normalized;
use crate::{Error, Limits};

/// Refuses a statement that holds more queries or joins than the limits say, or that nests deeper.
pub(crate) fn check_nesting(statement: &Statement, limits: &Limits) -> Result<(), Error> {
    let mut visitor = Nesting {
        limits,
        open: vec![Open::default()],
    };
    match statement.visit(&mut visitor) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// What a query comes to, everything that it reads included.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    queries: usize,
    joins: usize,
    depth: usize,
}

impl Size {
    /// Takes in what stands within.
    fn add(&mut self, inner: Size) {
        self.queries = self.queries.saturating_add(inner.queries);
        self.joins = self.joins.saturating_add(inner.joins);
        self.depth = self.depth.max(inner.depth + 1);
    }
}

/// A query that is being visited.
#[derive(Debug, Default)]
struct Open {
    size: Size,
    /// The queries of its WITH that are still to come, by address, and their names.
    expected: HashMap<*const Query, String>,
    /// Those that are known.
    known: HashMap<String, Size>,
}

struct Nesting<'a> {
    limits: &'a Limits,
    open: Vec<Open>,
}

impl Nesting<'_> {
    fn innermost(&mut self) -> &mut Open {
        self.open.last_mut().expect("the statement itself is always open")
    }

    fn add(&mut self, inner: Size) -> ControlFlow<Error> {
        let limits = self.limits;
        let size = &mut self.innermost().size;
        size.add(inner);
        let (what, limit, message) = match *size {
            Size { joins, .. } if joins > limits.joins_max => (
                "the number of joins of a statement",
                limits.joins_max,
                "keep a part of the result in a table of its own, by CREATE TABLE ... AS",
            ),
            Size { queries, .. } if queries > limits.queries_max => (
                "the number of queries of a statement",
                limits.queries_max,
                "a query of a WITH counts as often as it is named; keep its result in a table, by CREATE TABLE ... AS",
            ),
            Size { depth, .. } if depth > limits.query_depth_max => (
                "the depth to which queries nest",
                limits.query_depth_max,
                "keep a part of the result in a table of its own, by CREATE TABLE ... AS",
            ),
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(Error::ResourceExhausted {
            what,
            limit: limit.to_string(),
            message: message.into(),
        })
    }

    fn joins(&mut self, joins: usize) -> ControlFlow<Error> {
        self.innermost().size.joins += joins;
        self.add(Size::default())
    }
}

impl Visitor for Nesting<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let expected = query.with.iter().flat_map(|with| &with.cte_tables);
        let expected = expected.map(|cte| (std::ptr::from_ref(cte.query.as_ref()), normalized(&cte.alias.name)));
        let expected = expected.collect();
        self.open.push(Open {
            expected,
            ..Open::default()
        });
        let piped = query.pipe_operators.iter();
        self.joins(
            piped
                .filter(|operator| matches!(operator, PipeOperator::Join(_)))
                .count(),
        )
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let size = self.open.pop().map(|open| open.size).unwrap_or_default();
        let outer = self.innermost();
        match outer.expected.remove(&std::ptr::from_ref(query)) {
            // counted where it is named
            Some(name) => {
                outer.known.insert(name, size);
                ControlFlow::Continue(())
            }
            None => self.add(size),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        let [ObjectNamePart::Identifier(name)] = &relation.0[..] else {
            return ControlFlow::Continue(());
        };
        let name = normalized(name);
        match self.open.iter().rev().find_map(|open| open.known.get(&name)).copied() {
            Some(size) => self.add(size),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        self.innermost().size.queries += 1;
        let joins = select.from.iter().map(|table| table.joins.len()).sum::<usize>();
        let commas = select.from.len().saturating_sub(1);
        self.joins(joins + commas)
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => self.joins(table_with_joins.joins.len()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            // the optimizer makes a join of it
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => self.joins(1),
            _ => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement as DataFusionStatement;

    use super::*;
    use crate::sql::parse::parse;

    fn check(sql: &str) -> Result<(), String> {
        let limits = Limits {
            joins_max: 20,
            queries_max: 30,
            query_depth_max: 10,
            ..Limits::default()
        };
        let parsed = parse(sql, &limits).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let DataFusionStatement::Statement(statement) = parsed.statement else {
            panic!("{sql}")
        };
        check_nesting(&statement, &limits).map_err(|error| error.to_string())
    }

    /// A query of 4 KB with 150 joins within parentheses ended the process: only the joins right after FROM were counted,
    /// and planning, which recurses once for each, overflowed the stack.
    #[test]
    fn very_many_joins_are_refused_wherever_they_stand() {
        let joins = |times: usize| " LEFT SEMI JOIN t b ON 1 = 1".repeat(times);
        let half = |times: usize| joins(times / 2);
        let cases = |times: usize| {
            [
                format!("SELECT * FROM {}", vec!["t"; times + 1].join(", ")),
                format!("SELECT * FROM t{}", joins(times)),
                format!("SELECT * FROM (t{})", joins(times)),
                format!("SELECT * FROM ((t{}){})", half(times), joins(times - times / 2)),
                format!("SELECT * FROM (SELECT * FROM t{})", joins(times)),
                format!("WITH x AS (SELECT * FROM t{}) SELECT * FROM x", joins(times)),
                format!(
                    "SELECT * FROM t{} UNION SELECT * FROM t{}",
                    half(times),
                    joins(times - times / 2)
                ),
                format!("SELECT 1 WHERE EXISTS (SELECT * FROM t{})", joins(times - 1)),
                format!("SELECT 1 FROM t WHERE {}", vec!["a IN (SELECT 1)"; times].join(" AND ")),
                format!("FROM t {}", "|> JOIN u ON 1 = 1 ".repeat(times)),
            ]
        };
        for sql in cases(20) {
            assert_eq!(check(&sql), Ok(()), "{sql}");
        }
        for sql in cases(21) {
            let message = check(&sql).expect_err(&sql);
            assert!(
                message.contains("the number of joins of a statement is limited to 20"),
                "{sql}: {message}"
            );
        }
    }

    #[test]
    fn a_query_counts_as_often_as_it_is_named() {
        let doubled = |times: usize, query: &str| {
            let mut sql = "WITH a0 AS (SELECT 1 AS n)".to_owned();
            for at in 1..times {
                sql += &format!(", a{at} AS ({})", query.replace('a', &format!("A{}", at - 1)));
            }
            format!("{sql} SELECT * FROM a{}", times - 1)
        };
        let by_union = "SELECT * FROM a UNION ALL SELECT * FROM a";
        assert_eq!(check(&doubled(4, by_union)), Ok(()));
        let message = check(&doubled(5, by_union)).unwrap_err();
        assert!(message.contains("queries of a statement is limited to 30"), "{message}");
        let by_join = "SELECT 1 FROM a x, a y, a z";
        assert_eq!(check(&doubled(3, by_join)), Ok(()));
        let message = check(&doubled(4, by_join)).unwrap_err();
        assert!(message.contains("joins of a statement is limited to 20"), "{message}");
        // a later query of the same name is another one, and a table may have the name of a query that is out of scope
        let apart = "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a), (WITH a AS (SELECT 2) SELECT * FROM a), a";
        assert_eq!(check(apart), Ok(()));
    }

    #[test]
    fn deep_nesting_is_refused_whatever_makes_it() {
        let chain = |times: usize| {
            let mut sql = "WITH a0 AS (SELECT 1 AS n)".to_owned();
            for at in 1..times {
                sql += &format!(", a{at} AS (SELECT * FROM a{})", at - 1);
            }
            format!("{sql} SELECT * FROM a{}", times - 1)
        };
        let derived = |times: usize| format!("{}t{}", "SELECT * FROM (".repeat(times), ")".repeat(times));
        assert_eq!(check(&chain(8)), Ok(()));
        assert_eq!(check(&derived(8).replace("(t", "t").replacen(')', "", 1)), Ok(()));
        for sql in [chain(11), derived(11).replace("(t", "t").replacen(')', "", 1)] {
            let message = check(&sql).expect_err(&sql);
            assert!(
                message.contains("the depth to which queries nest is limited to 10"),
                "{message}"
            );
        }
    }
}
