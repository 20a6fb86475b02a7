//! What GetSqlInfo answers.
//!
//! Every code of the specification is answered and no other: JDBC reads all of them once into a map keyed by its own
//! enumeration and fails on a code that it does not know. Each value has the type that the specification gives its code;
//! JDBC casts without asking.

use std::collections::BTreeMap;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    error::FlightError,
    sql::{
        CommandGetSqlInfo, SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
        SqlSupportedGroupBy, SqlSupportedResultSetConcurrency, SqlSupportedResultSetType, SqlSupportedSubqueries,
        SqlSupportedTransaction, SqlSupportedUnions, SqlSupportsConvert, SqlTransactionIsolationLevel,
        SupportedSqlGrammar,
        metadata::{SqlInfoData, SqlInfoDataBuilder},
    },
};

use crate::limits::Limits;

/// Longest SQL statement that is announced to clients, bytes; the engine enforces it.
const STATEMENT_BYTES_MAX: i64 = 1 << 20;
/// Longest table name.
const TABLE_NAME_BYTES_MAX: i64 = 128;
/// "No limit, or not known", as the specification has it.
const UNKNOWN: i64 = 0;

const KEYWORDS: [&str; 16] = [
    "ANALYZE",
    "DESCRIBE",
    "EXPLAIN",
    "EXCLUDE",
    "FILTER",
    "ILIKE",
    "LIMIT",
    "OFFSET",
    "QUALIFY",
    "REPLACE",
    "SHOW",
    "TABLES",
    "TIMESTAMP AS OF",
    "TRY_CAST",
    "UNNEST",
    "VERSION AS OF",
];
const NUMERIC_FUNCTIONS: [&str; 32] = [
    "ABS",
    "ACOS",
    "ASIN",
    "ATAN",
    "ATAN2",
    "CBRT",
    "CEIL",
    "COS",
    "COT",
    "DEGREES",
    "EXP",
    "FACTORIAL",
    "FLOOR",
    "GCD",
    "ISNAN",
    "LCM",
    "LN",
    "LOG",
    "LOG10",
    "LOG2",
    "PI",
    "POWER",
    "RADIANS",
    "RANDOM",
    "ROUND",
    "SIGNUM",
    "SIN",
    "SINH",
    "SQRT",
    "TAN",
    "TANH",
    "TRUNC",
];
const STRING_FUNCTIONS: [&str; 34] = [
    "ASCII",
    "BTRIM",
    "CHARACTER_LENGTH",
    "CHR",
    "CONCAT",
    "CONCAT_WS",
    "CONTAINS",
    "ENDS_WITH",
    "INITCAP",
    "INSTR",
    "LEFT",
    "LENGTH",
    "LOWER",
    "LPAD",
    "LTRIM",
    "OCTET_LENGTH",
    "POSITION",
    "REGEXP_LIKE",
    "REGEXP_MATCH",
    "REGEXP_REPLACE",
    "REPEAT",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "RPAD",
    "RTRIM",
    "SPLIT_PART",
    "STARTS_WITH",
    "STRPOS",
    "SUBSTR",
    "TO_HEX",
    "TRANSLATE",
    "TRIM",
    "UPPER",
];
const SYSTEM_FUNCTIONS: [&str; 5] = ["ARROW_TYPEOF", "COALESCE", "GREATEST", "LEAST", "NULLIF"];
const DATETIME_FUNCTIONS: [&str; 14] = [
    "CURRENT_DATE",
    "CURRENT_TIME",
    "DATE_BIN",
    "DATE_PART",
    "DATE_TRUNC",
    "EXTRACT",
    "FROM_UNIXTIME",
    "MAKE_DATE",
    "NOW",
    "TO_CHAR",
    "TO_DATE",
    "TO_TIMESTAMP",
    "TO_TIMESTAMP_MILLIS",
    "TO_UNIXTIME",
];

/// The answers of a node.
pub(crate) struct SqlInfos(SqlInfoData);

impl SqlInfos {
    pub(crate) fn new(limits: &Limits) -> Result<Self, FlightError> {
        let mut infos = SqlInfoDataBuilder::new();
        server(&mut infos, limits);
        syntax(&mut infos);
        maxima(&mut infos);
        transactions(&mut infos);
        infos.build().map(Self)
    }

    /// The schema of every answer.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    /// The answers to the codes asked for; all if none is. Unknown codes are left out.
    pub(crate) fn answer(&self, command: CommandGetSqlInfo) -> Result<RecordBatch, FlightError> {
        self.0.record_batch(command.info)
    }
}

impl std::fmt::Debug for SqlInfos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqlInfos(..)")
    }
}

fn server(infos: &mut SqlInfoDataBuilder, limits: &Limits) {
    let prepared_ttl_ms = i32::try_from(limits.prepared_ttl.as_millis()).unwrap_or(i32::MAX);
    infos.append(SqlInfo::FlightSqlServerName, "DAB");
    infos.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    infos.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    infos.append(SqlInfo::FlightSqlServerReadOnly, false);
    infos.append(SqlInfo::FlightSqlServerSql, true);
    infos.append(SqlInfo::FlightSqlServerSubstrait, false);
    infos.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    infos.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    infos.append(
        SqlInfo::FlightSqlServerTransaction,
        SqlSupportedTransaction::None as i32,
    );
    infos.append(SqlInfo::FlightSqlServerCancel, true);
    infos.append(SqlInfo::FlightSqlServerBulkIngestion, true);
    infos.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    infos.append(SqlInfo::FlightSqlServerStatementTimeout, prepared_ttl_ms);
    infos.append(SqlInfo::FlightSqlServerTransactionTimeout, 0);
}

fn syntax(infos: &mut SqlInfoDataBuilder) {
    infos.append(SqlInfo::SqlDdlCatalog, false);
    infos.append(SqlInfo::SqlDdlSchema, false);
    infos.append(SqlInfo::SqlDdlTable, true);
    infos.append(
        SqlInfo::SqlIdentifierCase,
        SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32,
    );
    infos.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    let quoted = SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32;
    infos.append(SqlInfo::SqlQuotedIdentifierCase, quoted);
    infos.append(SqlInfo::SqlAllTablesAreSelectable, true);
    infos.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    infos.append(SqlInfo::SqlKeywords, &KEYWORDS[..]);
    infos.append(SqlInfo::SqlNumericFunctions, &NUMERIC_FUNCTIONS[..]);
    infos.append(SqlInfo::SqlStringFunctions, &STRING_FUNCTIONS[..]);
    infos.append(SqlInfo::SqlSystemFunctions, &SYSTEM_FUNCTIONS[..]);
    infos.append(SqlInfo::SqlDatetimeFunctions, &DATETIME_FUNCTIONS[..]);
    infos.append(SqlInfo::SqlSearchStringEscape, "\\");
    infos.append(SqlInfo::SqlExtraNameCharacters, "");
    infos.append(SqlInfo::SqlSupportsColumnAliasing, true);
    infos.append(SqlInfo::SqlNullPlusNullIsNull, true);
    infos.append(SqlInfo::SqlSupportsConvert, conversions());
    infos.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    infos.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    infos.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    infos.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    infos.append(
        SqlInfo::SqlSupportedGroupBy,
        1 << SqlSupportedGroupBy::SqlGroupByUnrelated as i32,
    );
    infos.append(SqlInfo::SqlSupportsLikeEscapeClause, true);
    infos.append(SqlInfo::SqlSupportsNonNullableColumns, true);
    let grammar = 1 << SupportedSqlGrammar::SqlMinimumGrammar as i32 | 1 << SupportedSqlGrammar::SqlCoreGrammar as i32;
    infos.append(SqlInfo::SqlSupportedGrammar, grammar);
    infos.append(SqlInfo::SqlAnsi92SupportedLevel, ANSI92_ENTRY);
    infos.append(SqlInfo::SqlSupportsIntegrityEnhancementFacility, false);
    infos.append(
        SqlInfo::SqlOuterJoinsSupportLevel,
        SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32,
    );
    infos.append(SqlInfo::SqlSchemaTerm, "schema");
    infos.append(SqlInfo::SqlProcedureTerm, "procedure");
    infos.append(SqlInfo::SqlCatalogTerm, "catalog");
    infos.append(SqlInfo::SqlCatalogAtStart, true);
    infos.append(SqlInfo::SqlSchemasSupportedActions, 0);
    infos.append(SqlInfo::SqlCatalogsSupportedActions, 0);
    infos.append(SqlInfo::SqlSupportedPositionedCommands, 0);
    infos.append(SqlInfo::SqlSelectForUpdateSupported, false);
    infos.append(SqlInfo::SqlStoredProceduresSupported, false);
    let subqueries = [
        SqlSupportedSubqueries::SqlSubqueriesInComparisons,
        SqlSupportedSubqueries::SqlSubqueriesInExists,
        SqlSupportedSubqueries::SqlSubqueriesInIns,
    ];
    infos.append(
        SqlInfo::SqlSupportedSubqueries,
        subqueries.iter().fold(0, |bits, kind| bits | 1 << *kind as i32),
    );
    infos.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    let unions = 1 << SqlSupportedUnions::SqlUnion as i32 | 1 << SqlSupportedUnions::SqlUnionAll as i32;
    infos.append(SqlInfo::SqlSupportedUnions, unions);
}

/// `ANSI92_ENTRY_SQL` of `SupportedAnsi92SqlGrammarLevel`, as a bitmask.
const ANSI92_ENTRY: i32 = 1;

fn maxima(infos: &mut SqlInfoDataBuilder) {
    let unknown = [
        SqlInfo::SqlMaxBinaryLiteralLength,
        SqlInfo::SqlMaxCharLiteralLength,
        SqlInfo::SqlMaxColumnNameLength,
        SqlInfo::SqlMaxColumnsInGroupBy,
        SqlInfo::SqlMaxColumnsInIndex,
        SqlInfo::SqlMaxColumnsInOrderBy,
        SqlInfo::SqlMaxColumnsInSelect,
        SqlInfo::SqlMaxColumnsInTable,
        SqlInfo::SqlMaxConnections,
        SqlInfo::SqlMaxCursorNameLength,
        SqlInfo::SqlMaxIndexLength,
        SqlInfo::SqlDbSchemaNameLength,
        SqlInfo::SqlMaxProcedureNameLength,
        SqlInfo::SqlMaxCatalogNameLength,
        SqlInfo::SqlMaxRowSize,
        SqlInfo::SqlMaxStatements,
        SqlInfo::SqlMaxTablesInSelect,
    ];
    unknown.into_iter().for_each(|code| infos.append(code, UNKNOWN));
    infos.append(SqlInfo::SqlMaxRowSizeIncludesBlobs, true);
    infos.append(SqlInfo::SqlMaxStatementLength, STATEMENT_BYTES_MAX);
    infos.append(SqlInfo::SqlMaxTableNameLength, TABLE_NAME_BYTES_MAX);
    infos.append(
        SqlInfo::SqlMaxUsernameLength,
        crate::credentials::USER_NAME_BYTES_MAX as i64,
    );
}

fn transactions(infos: &mut SqlInfoDataBuilder) {
    let none = SqlTransactionIsolationLevel::SqlTransactionNone as i32;
    infos.append(SqlInfo::SqlDefaultTransactionIsolation, none);
    infos.append(SqlInfo::SqlTransactionsSupported, false);
    infos.append(SqlInfo::SqlSupportedTransactionsIsolationLevels, 1 << none);
    infos.append(SqlInfo::SqlDataDefinitionCausesTransactionCommit, true);
    infos.append(SqlInfo::SqlDataDefinitionsInTransactionsIgnored, false);
    let forward_only = 1 << SqlSupportedResultSetType::SqlResultSetTypeForwardOnly as i32;
    infos.append(SqlInfo::SqlSupportedResultSetTypes, forward_only);
    let read_only = 1 << SqlSupportedResultSetConcurrency::SqlResultSetConcurrencyReadOnly as i32;
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified, 0);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly, read_only);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive, 0);
    infos.append(SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive, 0);
    infos.append(SqlInfo::SqlBatchUpdatesSupported, true);
    infos.append(SqlInfo::SqlSavepointsSupported, false);
    infos.append(SqlInfo::SqlNamedParametersSupported, false);
    infos.append(SqlInfo::SqlLocatorsUpdateCopy, false);
    infos.append(SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported, false);
}

/// Casts between numbers, between those and text, and between text and the rest.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert::*;
    let numbers = [
        SqlConvertTinyint,
        SqlConvertSmallint,
        SqlConvertInteger,
        SqlConvertBigint,
        SqlConvertReal,
        SqlConvertFloat,
        SqlConvertDecimal,
        SqlConvertNumeric,
        SqlConvertBit,
    ];
    let others = [SqlConvertDate, SqlConvertTime, SqlConvertTimestamp, SqlConvertVarbinary];
    let text = SqlConvertVarchar as i32;
    let numbers: Vec<i32> = numbers.iter().map(|kind| *kind as i32).collect();
    let others: Vec<i32> = others.iter().map(|kind| *kind as i32).collect();
    let mut map: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for from in &numbers {
        map.insert(*from, numbers.iter().copied().chain([text]).collect());
    }
    for from in &others {
        map.insert(*from, vec![*from, text]);
    }
    map.entry(SqlConvertTimestamp as i32)
        .or_default()
        .push(SqlConvertDate as i32);
    map.entry(SqlConvertDate as i32)
        .or_default()
        .push(SqlConvertTimestamp as i32);
    map.insert(text, numbers.into_iter().chain(others).chain([text]).collect());
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray, UnionArray};
    use arrow::datatypes::UInt32Type;

    /// Positions in the union of values, as the specification numbers them.
    const STRING: i8 = 0;
    const BOOL: i8 = 1;
    const BIGINT: i8 = 2;
    const INT32: i8 = 3;

    fn all() -> RecordBatch {
        let infos = SqlInfos::new(&Limits::default()).unwrap();
        infos.answer(CommandGetSqlInfo { info: vec![] }).unwrap()
    }

    #[test]
    fn every_code_of_the_specification_is_answered_and_no_other() {
        let codes = all().column(0).as_primitive::<UInt32Type>().values().to_vec();
        let expected: Vec<u32> = (0..=11).chain(100..=101).chain(500..=576).collect();
        assert_eq!(codes, expected);
        assert!(codes.iter().all(|code| SqlInfo::try_from(*code as i32).is_ok()));
    }

    #[test]
    fn values_have_the_types_that_jdbc_casts_to() {
        let batch = all();
        let values = batch.column(1).as_any().downcast_ref::<UnionArray>().unwrap();
        for (row, code) in batch.column(0).as_primitive::<UInt32Type>().values().iter().enumerate() {
            let expected = match code {
                0..=2 | 6 | 7 | 504 | 513 | 514 | 529..=531 => STRING,
                541..=555 | 557..=561 => BIGINT,
                8 | 100 | 101 | 503 | 505 | 507 | 522 | 525 | 526 | 528 | 533..=535 | 538 | 540 | 562 | 564 => INT32,
                567..=571 => INT32,
                508..=512 => 4,
                517 => 5,
                _ => BOOL,
            };
            assert_eq!(values.type_id(row), expected, "code {code}");
        }
        assert!(batch.schema().field(1).data_type().is_nested());
    }

    #[test]
    fn codes_asked_for_are_answered_alone_and_unknown_ones_left_out() {
        let infos = SqlInfos::new(&Limits::default()).unwrap();
        let asked = vec![SqlInfo::FlightSqlServerTransaction as u32, 10_001];
        let batch = infos.answer(CommandGetSqlInfo { info: asked }).unwrap();
        assert_eq!(batch.num_rows(), 1);
        let value = batch.column(1).as_any().downcast_ref::<UnionArray>().unwrap().value(0);
        assert_eq!(
            value.as_primitive::<arrow::datatypes::Int32Type>().value(0),
            0,
            "no transactions"
        );
        assert_eq!(batch.schema(), infos.schema());
    }
}
