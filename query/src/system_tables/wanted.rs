//! What a query's conditions spare a system table to read.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// Columns of text, of which a condition spares reading.
const TEXTS: [&str; 4] = ["blake3", "leaf_hash", "sha256", "table_name"];
/// Columns of whole numbers, likewise.
const NUMBERS: [&str; 2] = ["leaf_index", "version"];

/// The rows and columns wanted; where nothing is said, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    texts: BTreeMap<&'static str, String>,
    numbers: BTreeMap<&'static str, i64>,
    /// Set by conditions that contradict each other.
    nothing: bool,
    /// The names of the columns that the query looks at.
    columns: Option<BTreeSet<String>>,
}

impl Wanted {
    /// Takes a condition into account, if it is `column = value` for one of the columns above; says whether it is.
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
        let of = |names: &[&'static str]| names.iter().find(|name| **name == column).copied();
        match (of(&TEXTS), of(&NUMBERS), value) {
            (Some(column), _, text) => match text.try_as_str().flatten() {
                Some(text) => {
                    let known = self.texts.insert(column, text.to_owned());
                    self.nothing |= known.is_some_and(|known| known != text);
                    true
                }
                None => false,
            },
            (_, Some(column), ScalarValue::Int64(Some(number))) => {
                let known = self.numbers.insert(column, *number);
                self.nothing |= known.is_some_and(|known| known != *number);
                true
            }
            _ => false,
        }
    }

    /// Only these columns are looked at.
    pub(crate) fn look_at(&mut self, columns: impl IntoIterator<Item = String>) {
        self.columns = Some(columns.into_iter().collect());
    }

    /// Whether the query looks at a column, one that is dear to make.
    pub(crate) fn looks_at(&self, column: &str) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.contains(column))
    }

    /// Whether conditions contradict each other.
    pub(crate) fn nothing(&self) -> bool {
        self.nothing
    }

    /// The value that a column of text has to have.
    pub(crate) fn text(&self, column: &str) -> Option<&str> {
        self.texts.get(column).map(String::as_str)
    }

    /// The value that a column of whole numbers has to have.
    pub(crate) fn number(&self, column: &str) -> Option<i64> {
        self.numbers.get(column).copied()
    }

    /// Whether rows of this table are wanted.
    pub(crate) fn table(&self, name: &str) -> bool {
        !self.nothing && self.text("table_name").is_none_or(|wanted| wanted == name)
    }

    /// Whether rows of tables without a name are wanted.
    pub(crate) fn nameless(&self) -> bool {
        !self.nothing && self.text("table_name").is_none()
    }

    /// Whether rows of this version are wanted.
    pub(crate) fn version(&self, version: u64) -> bool {
        !self.nothing
            && self
                .number("version")
                .is_none_or(|wanted| u64::try_from(wanted) == Ok(version))
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
