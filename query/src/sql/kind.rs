//! Which statements there are, decided on the syntax tree: whatever is not listed is refused.
//!
//! This runs before anything is planned. DataFusion's planner looks tables up, and its physical planner calls the
//! tables' own hooks for UPDATE and DELETE with filters that may have been optimised away; a statement that is refused
//! here reaches neither. [`guard`](super::guard) checks the plan once more.

use datafusion::sql::parser::{ExplainStatement, Statement};
use datafusion::sql::sqlparser::ast::{DescribeAlias, Insert, ObjectType, SetExpr, Statement as Sql};

use crate::Error;

/// What a statement does, as clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatementKind {
    /// `SELECT`, `VALUES`, `WITH ... SELECT`, `FROM ... |> ...`
    Select,
    /// `EXPLAIN` and `EXPLAIN ANALYZE` of a query
    Explain,
    /// `DESCRIBE` of a table or a query
    Describe,
    /// `SHOW TABLES`, `SHOW COLUMNS`, `SHOW <setting>`
    Show,
    /// `INSERT INTO`
    Insert,
    /// `INSERT OVERWRITE`
    InsertOverwrite,
    /// `CREATE TABLE` with columns
    CreateTable,
    /// `CREATE TABLE ... AS`
    CreateTableAs,
    /// `DROP TABLE`
    DropTable,
}

impl StatementKind {
    /// The statement's name in SQL; for a write also the operation that its commit records.
    pub fn word(self) -> &'static str {
        match self {
            StatementKind::Select => "SELECT",
            StatementKind::Explain => "EXPLAIN",
            StatementKind::Describe => "DESCRIBE",
            StatementKind::Show => "SHOW",
            StatementKind::Insert => "INSERT",
            StatementKind::InsertOverwrite => "OVERWRITE",
            StatementKind::CreateTable => "CREATE TABLE",
            StatementKind::CreateTableAs => "CREATE TABLE AS",
            StatementKind::DropTable => "DROP TABLE",
        }
    }

    /// Whether it changes a table or the catalog.
    pub fn is_write(self) -> bool {
        match self {
            StatementKind::Select | StatementKind::Explain | StatementKind::Describe | StatementKind::Show => false,
            StatementKind::Insert
            | StatementKind::InsertOverwrite
            | StatementKind::CreateTable
            | StatementKind::CreateTableAs
            | StatementKind::DropTable => true,
        }
    }
}

/// Says what a statement is, or why this release does not run it.
pub(crate) fn classify(statement: &Statement) -> Result<StatementKind, Error> {
    match statement {
        Statement::Statement(sql) => classify_sql(sql),
        Statement::Explain(explain) => classify_explain(explain),
        Statement::CopyTo(_) => Err(refused(
            "COPY is not supported",
            "query the rows and save them on the client, or load files",
        )),
        Statement::CreateExternalTable(_) => Err(refused(
            "CREATE EXTERNAL TABLE is not supported",
            "load the files into a table",
        )),
        Statement::Reset(_) => Err(settings("RESET")),
    }
}

fn classify_explain(explain: &ExplainStatement) -> Result<StatementKind, Error> {
    match classify(&explain.statement)? {
        StatementKind::Select => Ok(StatementKind::Explain),
        other => Err(refused(
            format!("EXPLAIN {} is not supported", other.word()),
            "explain the query within it",
        )),
    }
}

fn classify_sql(statement: &Sql) -> Result<StatementKind, Error> {
    match statement {
        Sql::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(_) => Err(refused(
                "WITH before INSERT is not supported",
                "write INSERT INTO t WITH ...",
            )),
            SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => Err(later("changing rows after WITH")),
            _ => Ok(StatementKind::Select),
        },
        Sql::ExplainTable {
            describe_alias: DescribeAlias::Describe | DescribeAlias::Desc,
            ..
        } => Ok(StatementKind::Describe),
        Sql::Explain {
            describe_alias,
            statement,
            ..
        } => match (classify_sql(statement)?, describe_alias) {
            (StatementKind::Select, DescribeAlias::Explain) => Ok(StatementKind::Explain),
            (StatementKind::Select, _) => Ok(StatementKind::Describe),
            (other, _) => Err(refused(
                format!("EXPLAIN {} is not supported", other.word()),
                "explain the query",
            )),
        },
        Sql::ShowTables { .. } | Sql::ShowColumns { .. } | Sql::ShowVariable { .. } => Ok(StatementKind::Show),
        Sql::Insert(Insert { replace_into: true, .. }) => Err(later("REPLACE INTO")),
        Sql::Insert(Insert { overwrite: true, .. }) => Ok(StatementKind::InsertOverwrite),
        Sql::Insert(_) => Ok(StatementKind::Insert),
        Sql::CreateTable(table) if table.query.is_some() => Ok(StatementKind::CreateTableAs),
        Sql::CreateTable(_) => Ok(StatementKind::CreateTable),
        Sql::Drop {
            object_type: ObjectType::Table,
            purge: true,
            ..
        } => Err(refused(
            "DROP TABLE ... PURGE is not supported",
            "DROP TABLE removes the name and keeps the files as evidence",
        )),
        Sql::Drop {
            object_type: ObjectType::Table,
            names,
            ..
        } if names.len() == 1 => Ok(StatementKind::DropTable),
        Sql::Drop {
            object_type: ObjectType::Table,
            ..
        } => Err(Error::not_supported("drop one table at a time")),
        other => Err(refusal(other)),
    }
}

/// Why a statement that parses is not run; what is not named here is refused all the same.
fn refusal(statement: &Sql) -> Error {
    match statement {
        Sql::Update(_) => later("UPDATE"),
        Sql::Delete(_) => later("DELETE"),
        Sql::Merge(_) => later("MERGE"),
        Sql::Truncate(_) => later("TRUNCATE"),
        Sql::AlterTable(_) => Error::not_supported("ALTER TABLE is not supported yet"),
        Sql::Set(_) => settings("SET"),
        Sql::Pragma { .. } => settings("PRAGMA"),
        Sql::StartTransaction { .. }
        | Sql::Commit { .. }
        | Sql::Rollback { .. }
        | Sql::Savepoint { .. }
        | Sql::ReleaseSavepoint { .. } => refused(
            "transactions over several statements are not supported yet",
            "every statement commits by itself (autocommit)",
        ),
        Sql::Prepare { .. } | Sql::Execute { .. } | Sql::Deallocate { .. } => refused(
            "PREPARE in SQL is not supported",
            "use the prepared statements of your driver",
        ),
        Sql::CreateView(_) => refused("views are not supported yet", "CREATE TABLE ... AS keeps a result"),
        Sql::Copy { .. } | Sql::CopyIntoSnowflake { .. } | Sql::Load { .. } | Sql::Directory { .. } => refused(
            "COPY is not supported",
            "query the rows and save them on the client, or load files",
        ),
        Sql::CreateFunction(_) => Error::not_supported("functions written in SQL are not supported"),
        Sql::CreateIndex(_) => Error::not_supported("indexes are not supported: tables keep statistics per file"),
        Sql::CreateSchema { .. } | Sql::CreateDatabase { .. } | Sql::Use(_) => {
            Error::not_supported("there is one catalog, lake, with one schema for tables, public")
        }
        Sql::Grant(_) | Sql::Revoke(_) | Sql::CreateRole(_) => {
            Error::not_supported("users and grants are not supported yet")
        }
        other => {
            let text = other.to_string();
            let words: Vec<_> = text.split_whitespace().take(2).collect();
            Error::not_supported(format!(
                "{} is not supported",
                words.join(" ").chars().take(60).collect::<String>()
            ))
        }
    }
}

fn later(what: &str) -> Error {
    refused(
        format!("{what} is not supported yet"),
        "this release writes by INSERT, INSERT OVERWRITE, CREATE TABLE AS, ingest and load",
    )
}

fn settings(what: &str) -> Error {
    refused(
        format!("{what} is not supported"),
        "limits and settings are the operator's",
    )
}

fn refused(what: impl std::fmt::Display, instead: &str) -> Error {
    Error::not_supported(format!("{what}: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::sql::parse::parse;

    fn check(sql: &str) -> Result<&'static str, String> {
        let parsed = parse(sql, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        classify(&parsed.statement).map(StatementKind::word).map_err(|error| {
            assert!(matches!(error, Error::NotSupported { .. }), "{sql}: {error:?}");
            error.to_string()
        })
    }

    #[test]
    fn what_this_release_runs() {
        for (sql, word) in [
            ("SELECT 1", "SELECT"),
            ("WITH x AS (SELECT 1) SELECT * FROM x", "SELECT"),
            ("VALUES (1)", "SELECT"),
            ("EXPLAIN SELECT 1", "EXPLAIN"),
            ("EXPLAIN ANALYZE VERBOSE SELECT 1", "EXPLAIN"),
            ("EXPLAIN (ANALYZE) SELECT 1", "EXPLAIN"),
            ("DESCRIBE t", "DESCRIBE"),
            ("DESC t", "DESCRIBE"),
            ("DESCRIBE SELECT 1", "DESCRIBE"),
            ("SHOW TABLES", "SHOW"),
            ("SHOW COLUMNS FROM t", "SHOW"),
            ("SHOW timezone", "SHOW"),
            ("INSERT INTO t VALUES (1)", "INSERT"),
            ("INSERT OVERWRITE t SELECT 1", "OVERWRITE"),
            ("INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x", "INSERT"),
            ("CREATE TABLE t (a INT)", "CREATE TABLE"),
            ("CREATE TABLE IF NOT EXISTS t AS SELECT 1", "CREATE TABLE AS"),
            ("DROP TABLE IF EXISTS t", "DROP TABLE"),
        ] {
            assert_eq!(check(sql), Ok(word), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_refused_in_words() {
        for (sql, part) in [
            (
                "UPDATE t SET a = 1",
                "UPDATE is not supported yet: this release writes by INSERT",
            ),
            ("DELETE FROM t", "DELETE is not supported yet"),
            (
                "DELETE FROM t WHERE id IN (SELECT id FROM u)",
                "DELETE is not supported yet",
            ),
            (
                "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
                "MERGE is not supported yet",
            ),
            ("TRUNCATE TABLE t", "TRUNCATE is not supported yet"),
            ("REPLACE INTO t VALUES (1)", "REPLACE INTO is not supported yet"),
            ("ALTER TABLE t ADD COLUMN a INT", "ALTER TABLE is not supported yet"),
            ("COPY t TO 'x.parquet'", "COPY is not supported"),
            ("COPY (SELECT 1) TO '/etc/x' STORED AS CSV", "COPY is not supported"),
            (
                "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
                "CREATE EXTERNAL TABLE is not supported",
            ),
            ("CREATE VIEW v AS SELECT 1", "views are not supported yet"),
            ("CREATE FUNCTION f() RETURNS INT RETURN 1", "functions written in SQL"),
            ("CREATE INDEX i ON t (a)", "indexes are not supported"),
            ("CREATE SCHEMA s", "one catalog"),
            ("CREATE DATABASE d", "one catalog"),
            ("DROP VIEW v", "DROP VIEW is not supported"),
            ("DROP SCHEMA public", "DROP SCHEMA is not supported"),
            ("DROP TABLE t PURGE", "keeps the files as evidence"),
            ("DROP TABLE t, u", "one table at a time"),
            (
                "SET datafusion.runtime.memory_limit = '1T'",
                "SET is not supported: limits and settings",
            ),
            ("SET timezone = 'UTC'", "SET is not supported"),
            ("RESET datafusion.runtime.memory_limit", "RESET is not supported"),
            ("BEGIN", "autocommit"),
            ("START TRANSACTION", "autocommit"),
            ("COMMIT", "autocommit"),
            ("ROLLBACK", "autocommit"),
            ("PREPARE p AS SELECT 1", "prepared statements of your driver"),
            ("EXECUTE p", "prepared statements of your driver"),
            ("EXPLAIN INSERT INTO t SELECT 1", "explain the query within it"),
            ("EXPLAIN ANALYZE INSERT INTO t SELECT 1", "explain the query within it"),
            ("EXPLAIN ANALYZE DELETE FROM t", "DELETE is not supported yet"),
            ("EXPLAIN COPY t TO 'x'", "COPY is not supported"),
            ("EXPLAIN EXPLAIN SELECT 1", "explain the query within it"),
            ("WITH x AS (SELECT 1) DELETE FROM t", "is not supported yet"),
            ("GRANT SELECT ON t TO u", "grants are not supported yet"),
            ("VACUUM t", "VACUUM t is not supported"),
            ("KILL 1", "KILL"),
            ("ANALYZE TABLE t COMPUTE STATISTICS", "ANALYZE"),
            ("INSTALL httpfs", "INSTALL"),
            ("ATTACH DATABASE 'x' AS y", "ATTACH"),
            ("CALL f(1)", "CALL"),
            ("LOCK TABLE t", "LOCK"),
            ("SHOW FUNCTIONS", "SHOW FUNCTIONS is not supported"),
            ("SHOW CREATE TABLE t", "SHOW CREATE is not supported"),
        ] {
            let message = check(sql).expect_err(sql);
            assert!(message.contains(part), "{sql}: {message}");
        }
    }
}
