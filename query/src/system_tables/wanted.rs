//! What a query's conditions spare a system table to read.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// The rows wanted; where nothing is said, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    table_name: Option<String>,
    version: Option<i64>,
    /// Set by conditions that contradict each other.
    nothing: bool,
}

impl Wanted {
    /// Takes a condition into account, if it is `table_name = '...'` or `version = ...`; says whether it is.
    pub(crate) fn narrow(&mut self, condition: &Expr) -> bool {
        let Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) = condition
        else {
            return false;
        };
        let (column, value) = match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
                (column.name.as_str(), value)
            }
            _ => return false,
        };
        match (column, value) {
            ("table_name", text) => match text.try_as_str().flatten() {
                Some(name) => {
                    self.nothing |= self.table_name.as_deref().is_some_and(|known| known != name);
                    self.table_name = Some(name.to_owned());
                    true
                }
                None => false,
            },
            ("version", ScalarValue::Int64(Some(version))) => {
                self.nothing |= self.version.is_some_and(|known| known != *version);
                self.version = Some(*version);
                true
            }
            _ => false,
        }
    }

    /// Whether rows of this table are wanted.
    pub(crate) fn table(&self, name: &str) -> bool {
        !self.nothing && self.table_name.as_deref().is_none_or(|wanted| wanted == name)
    }

    /// Whether rows of tables without a name are wanted.
    pub(crate) fn nameless(&self) -> bool {
        !self.nothing && self.table_name.is_none()
    }

    /// Whether rows of this version are wanted.
    pub(crate) fn version(&self, version: u64) -> bool {
        !self.nothing && self.version.is_none_or(|wanted| u64::try_from(wanted) == Ok(version))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn only_plain_conditions_narrow() {
        let mut wanted = Wanted::default();
        assert!(wanted.table("a") && wanted.nameless() && wanted.version(7));
        for condition in [
            col("table_name").like(lit("a%")),
            col("table_name").eq(col("operation")),
            col("operation").eq(lit("INSERT")),
            col("table_name").eq(lit("a")).or(lit(true)),
            col("version").gt(lit(3_i64)),
        ] {
            assert!(!wanted.narrow(&condition), "{condition}");
        }
        assert_eq!(wanted, Wanted::default());
    }

    #[test]
    fn conditions_narrow_from_either_side_and_may_contradict() {
        let mut wanted = Wanted::default();
        assert!(wanted.narrow(&col("table_name").eq(lit("a"))));
        assert!(wanted.narrow(&lit(3_i64).eq(col("version"))));
        assert!(wanted.table("a") && !wanted.table("b") && !wanted.nameless());
        assert!(wanted.version(3) && !wanted.version(4));
        assert!(wanted.narrow(&col("table_name").eq(lit("b"))));
        assert!(!wanted.table("a") && !wanted.table("b"));
    }
}
