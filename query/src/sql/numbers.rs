//! Numbers with more digits than a binary float keeps.
//!
//! DataFusion reads `12345678901234567.89` as a 64-bit float and so as another number, before any column of type DECIMAL
//! sees it. Its own remedy, to read every fraction as a decimal, changes how floats are compared and has no `1e300`. So
//! only literals that a float would change become decimals.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Statement, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// Digits that a 64-bit float keeps in any case.
const FLOAT64_DIGITS: usize = 15;
/// Digits that a decimal keeps.
const DECIMAL_DIGITS_MAX: usize = 38;

/// Turns long numbers into decimals.
pub(crate) fn keep_digits(statement: &mut Statement) {
    let _ = statement.visit(&mut LongNumbers);
}

struct LongNumbers;

impl VisitorMut for LongNumbers {
    type Break = ();

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        let Expr::Value(value) = expression else {
            return ControlFlow::Continue(());
        };
        let Value::Number(digits, _) = &value.value else {
            return ControlFlow::Continue(());
        };
        let digits = digits.to_string();
        if let Some((precision, scale)) = decimal_type(&digits) {
            *expression = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(Expr::Value(Value::SingleQuotedString(digits).with_span(Span::empty()))),
                data_type: DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Precision and scale for a number that needs to be a decimal and can be one.
fn decimal_type(number: &str) -> Option<(u64, i64)> {
    if number.parse::<u64>().is_ok() {
        return None;
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let significant = match whole {
        "" => fraction.trim_start_matches('0').len(),
        whole => whole.len() + fraction.len(),
    };
    let precision = (whole.len() + fraction.len()).max(1);
    let needed = significant > FLOAT64_DIGITS && precision <= DECIMAL_DIGITS_MAX;
    needed.then_some((precision as u64, fraction.len() as i64))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement as DataFusionStatement;

    use super::*;
    use crate::Limits;
    use crate::sql::parse::parse;

    fn check(number: &str, expected: &str) {
        let parsed = parse(&format!("SELECT {number}"), &Limits::default()).unwrap();
        let DataFusionStatement::Statement(mut statement) = parsed.statement else {
            panic!("{number}")
        };
        keep_digits(&mut statement);
        assert_eq!(statement.to_string(), format!("SELECT {expected}"));
    }

    #[test]
    fn only_numbers_that_a_float_would_change_become_decimals() {
        for same in [
            "1",
            "0.1",
            "12.50",
            "1e300",
            "123456789.012345",
            "18446744073709551615",
            "0.000000000000000012",
        ] {
            check(same, same);
        }
        check("12345678901234567.89", "CAST('12345678901234567.89' AS DECIMAL(19,2))");
        check(
            "-0.1234567890123456789",
            "-CAST('0.1234567890123456789' AS DECIMAL(19,19))",
        );
        check("18446744073709551616", "CAST('18446744073709551616' AS DECIMAL(20,0))");
        let too_long = "1".repeat(39);
        check(&too_long, &too_long);
    }
}
