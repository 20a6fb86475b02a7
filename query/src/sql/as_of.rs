//! The times that may stand after `TIMESTAMP AS OF`.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArguments};

use crate::Error;

/// Allows what takes no time to compute. The time is evaluated while the statement is planned, and nothing stops that.
pub(super) fn check_time(expression: &Expr) -> Result<(), Error> {
    match expression {
        Expr::Value(_) | Expr::TypedString(_) => Ok(()),
        Expr::Interval(interval) => check_time(&interval.value),
        Expr::Nested(inner) => check_time(inner),
        Expr::Cast { expr, .. } if matches!(**expr, Expr::Value(_) | Expr::TypedString(_)) => Ok(()),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus,
            right,
        } => {
            check_time(left)?;
            check_time(right)
        }
        Expr::Function(function) if is_now(function) => Ok(()),
        _ => Err(Error::not_supported(
            "the time after AS OF is text, TIMESTAMP '...', DATE '...', a CAST of text, now() or current_timestamp, and \
             intervals added to these or taken off",
        )),
    }
}

fn is_now(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    let arguments = match &function.args {
        FunctionArguments::None => 0,
        FunctionArguments::List(list) => list.args.len() + list.clauses.len(),
        FunctionArguments::Subquery(_) => 1,
    };
    ["now", "current_timestamp", "current_date"].contains(&name.as_str()) && arguments == 0
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn check(time: &str) -> Result<(), String> {
        let mut parser = Parser::new(&GenericDialect).try_with_sql(time).unwrap();
        check_time(&parser.parse_expr().unwrap()).map_err(|error| error.to_string())
    }

    /// `TIMESTAMP AS OF repeat(...)` kept a thread for as long as the function took, with no limit of time over it.
    #[test]
    fn a_time_is_a_constant_that_takes_no_time_to_compute() {
        for time in [
            "'2026-01-31 12:00:00'",
            "TIMESTAMP '2026-01-31 12:00:00'",
            "DATE '2026-01-31'",
            "now()",
            "current_timestamp",
            "(now() - INTERVAL '1 day') + INTERVAL '3' HOUR",
            "CAST('2026-01-31' AS DATE)",
            "'2026-01-31'::TIMESTAMP",
        ] {
            assert_eq!(check(time), Ok(()), "{time}");
        }
        for time in [
            "to_timestamp(repeat('1', 1000000))",
            "CAST(repeat('1', 10) AS TIMESTAMP)",
            "now() - INTERVAL '1 day' * 1000",
            "now() - repeat('1', 10)::INTERVAL",
            "now(1)",
            "(SELECT now())",
            "CASE WHEN levenshtein('a', 'b') = 1 THEN now() END",
            "n",
        ] {
            let message = check(time).expect_err(time);
            assert!(message.starts_with("the time after AS OF is text"), "{time}: {message}");
        }
    }
}
