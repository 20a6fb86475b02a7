//! The clauses of `CREATE TABLE`: those that DAB keeps, and those it refuses rather than forgets.

use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CommentDef, CreateTable, CreateTableOptions, Expr, HiveDistributionStyle, Ident,
    TableConstraint,
};

use crate::Error;

/// What a `CREATE TABLE` says beyond names and types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableClauses {
    /// The declared columns, in order: whether each is `NOT NULL`. Empty where a query names the columns.
    pub(crate) not_null: Vec<bool>,
    /// `PARTITIONED BY (a, b)`.
    pub(crate) partition_columns: Vec<String>,
    /// `COMMENT = '...'`.
    pub(crate) comment: Option<String>,
}

/// Takes those clauses out of the statement that the planner would refuse or lose, and refuses what would be ignored.
pub(crate) fn take_clauses(table: &mut CreateTable) -> Result<TableClauses, Error> {
    if table.or_replace {
        return Err(refused(
            "CREATE OR REPLACE TABLE",
            "INSERT OVERWRITE replaces the rows of a table",
        ));
    }
    if table.temporary {
        return Err(refused(
            "CREATE TEMPORARY TABLE",
            "every table is durable; WITH names a query for one statement",
        ));
    }
    if table.table_options != CreateTableOptions::None {
        return Err(Error::not_supported(format!(
            "options of a table are not supported: {}",
            table.table_options
        )));
    }
    if let Some(constraint) = table.constraints.first() {
        return Err(constraint_refused(name_of_constraint(constraint)));
    }
    Ok(TableClauses {
        not_null: table.columns.iter().map(is_not_null).collect::<Result<_, _>>()?,
        partition_columns: take_partition_columns(table)?,
        comment: table.comment.take().map(|comment| match comment {
            CommentDef::WithEq(text) | CommentDef::WithoutEq(text) => text,
        }),
    })
}

fn is_not_null(column: &ColumnDef) -> Result<bool, Error> {
    let mut not_null = false;
    for option in &column.options {
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => not_null = true,
            ColumnOption::Default(_) => {
                return Err(refused("DEFAULT", "a column that an INSERT does not name becomes NULL"));
            }
            ColumnOption::PrimaryKey(_) => return Err(constraint_refused("PRIMARY KEY")),
            ColumnOption::Unique(_) => return Err(constraint_refused("UNIQUE")),
            ColumnOption::ForeignKey(_) => return Err(constraint_refused("REFERENCES")),
            ColumnOption::Check(_) => return Err(constraint_refused("CHECK")),
            other => {
                return Err(Error::not_supported(format!(
                    "{other} of column {} is not supported",
                    column.name
                )));
            }
        }
    }
    Ok(not_null)
}

fn name_of_constraint(constraint: &TableConstraint) -> &'static str {
    match constraint {
        TableConstraint::PrimaryKey(_) => "PRIMARY KEY",
        TableConstraint::Unique(_) => "UNIQUE",
        TableConstraint::ForeignKey(_) => "FOREIGN KEY",
        TableConstraint::Check(_) => "CHECK",
        _ => "this constraint",
    }
}

fn take_partition_columns(table: &mut CreateTable) -> Result<Vec<String>, Error> {
    let hint = || Error::invalid("PARTITIONED BY takes the names of columns: PARTITIONED BY (region, day)");
    if let HiveDistributionStyle::PARTITIONED { columns } = &table.hive_distribution {
        let names = columns
            .iter()
            .map(|column| match column.data_type.to_string().as_str() {
                "" => Ok(normalized(&column.name)),
                _ => Err(hint()),
            });
        let names = names.collect::<Result<_, _>>()?;
        table.hive_distribution = HiveDistributionStyle::NONE;
        return Ok(names);
    }
    match table.partition_by.take().map(|by| *by) {
        None => Ok(Vec::new()),
        Some(Expr::Identifier(name)) => Ok(vec![normalized(&name)]),
        Some(Expr::Nested(inner)) => match *inner {
            Expr::Identifier(name) => Ok(vec![normalized(&name)]),
            _ => Err(hint()),
        },
        Some(Expr::Tuple(parts)) => parts
            .into_iter()
            .map(|part| match part {
                Expr::Identifier(name) => Ok(normalized(&name)),
                _ => Err(hint()),
            })
            .collect(),
        Some(_) => Err(hint()),
    }
}

fn normalized(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn constraint_refused(what: &str) -> Error {
    refused(what, "of constraints, a table keeps NOT NULL only")
}

fn refused(what: &str, instead: &str) -> Error {
    Error::not_supported(format!("{what} is not supported: {instead}"))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement;
    use datafusion::sql::sqlparser::ast::Statement as Sql;

    use super::*;
    use crate::Limits;
    use crate::sql::parse::parse;

    fn check(sql: &str) -> Result<TableClauses, String> {
        let parsed = parse(sql, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let Statement::Statement(mut statement) = parsed.statement else {
            panic!("{sql}")
        };
        let Sql::CreateTable(table) = statement.as_mut() else {
            panic!("{sql}")
        };
        take_clauses(table).map_err(|error| error.to_string())
    }

    #[test]
    fn not_null_partitions_and_comment_are_kept() {
        let clauses = check("CREATE TABLE t (a INT NOT NULL, B INT NULL, c INT) PARTITIONED BY (B, \"C\")").unwrap();
        assert_eq!(clauses.not_null, [true, false, false]);
        assert_eq!(clauses.partition_columns, ["b", "C"]);
        assert_eq!(
            check("CREATE TABLE t PARTITION BY (a, b) AS SELECT 1")
                .unwrap()
                .partition_columns,
            ["a", "b"]
        );
        assert_eq!(
            check("CREATE TABLE t PARTITION BY (a) AS SELECT 1")
                .unwrap()
                .partition_columns,
            ["a"]
        );
    }

    #[test]
    fn what_would_be_forgotten_is_refused() {
        for (sql, part) in [
            ("CREATE OR REPLACE TABLE t (a INT)", "INSERT OVERWRITE replaces"),
            ("CREATE TEMPORARY TABLE t (a INT)", "every table is durable"),
            (
                "CREATE TABLE t (a INT PRIMARY KEY)",
                "PRIMARY KEY is not supported: of constraints",
            ),
            (
                "CREATE TABLE t (a INT, PRIMARY KEY (a))",
                "PRIMARY KEY is not supported",
            ),
            ("CREATE TABLE t (a INT UNIQUE)", "UNIQUE is not supported"),
            ("CREATE TABLE t (a INT CHECK (a > 0))", "CHECK is not supported"),
            ("CREATE TABLE t (a INT, CHECK (a > 0))", "CHECK is not supported"),
            ("CREATE TABLE t (a INT REFERENCES u (b))", "REFERENCES is not supported"),
            (
                "CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES u (b))",
                "FOREIGN KEY is not supported",
            ),
            ("CREATE TABLE t (a INT DEFAULT 3)", "DEFAULT is not supported"),
            (
                "CREATE TABLE t (a INT GENERATED ALWAYS AS (b + 1))",
                "of column a is not supported",
            ),
            (
                "CREATE TABLE t (a INT) WITH (x = 1)",
                "options of a table are not supported",
            ),
            (
                "CREATE TABLE t (a INT) PARTITIONED BY (b STRING)",
                "takes the names of columns",
            ),
            (
                "CREATE TABLE t (a INT) PARTITION BY (a + 1)",
                "takes the names of columns",
            ),
        ] {
            let message = check(sql).expect_err(sql);
            assert!(message.contains(part), "{sql}: {message}");
        }
    }
}
