//! The SQL that DAB reads: DataFusion's own dialect, and table versions.
//!
//! sqlparser's generic dialect, on which DataFusion's SQL stands, does not parse `t VERSION AS OF 3`; the dialects that
//! do so differ from it in much else. This one answers every question as the generic dialect does, save that one.

use std::any::TypeId;

use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};

const GENERIC: GenericDialect = GenericDialect;

/// The generic dialect with table versions.
#[derive(Debug)]
pub(crate) struct DabDialect;

macro_rules! as_generic {
    ($($method:ident),* $(,)?) => {
        $(fn $method(&self) -> bool {
            GENERIC.$method()
        })*
    };
}

impl Dialect for DabDialect {
    /// The parser also asks for a dialect by type; there, too, this one passes for the generic.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        GENERIC.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        GENERIC.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        GENERIC.is_identifier_part(ch)
    }

    as_generic!(
        supports_unicode_string_literal,
        supports_partition_by_after_order_by,
        supports_array_join_syntax,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_left_associative_joins_without_parens,
        supports_connect_by,
        supports_match_recognize,
        supports_pipe_operator,
        supports_start_transaction_modifier,
        supports_window_function_null_treatment_arg,
        supports_dictionary_syntax,
        supports_window_clause_named_window_reference,
        supports_parenthesized_set_variables,
        supports_select_wildcard_except,
        support_map_literal_syntax,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_extract_comma_syntax,
        supports_create_view_comment_syntax,
        supports_parens_around_table_factor,
        supports_values_as_table_factor,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_limit_comma,
        supports_update_order_by,
        supports_from_first_select,
        supports_projection_trailing_commas,
        supports_asc_desc_in_column_definition,
        supports_try_convert,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_assignment_operator,
        supports_struct_literal,
        supports_empty_projections,
        supports_nested_comments,
        supports_multiline_comment_hints,
        supports_user_host_grantee,
        supports_string_escape_constant,
        supports_array_typedef_with_brackets,
        supports_match_against,
        supports_set_names,
        supports_comma_separated_set_assignments,
        supports_filter_during_aggregation,
        supports_select_wildcard_exclude,
        supports_data_type_signed_suffix,
        supports_interval_options,
        supports_quote_delimited_string,
        supports_select_wildcard_replace,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_optimize_table,
        supports_install,
        supports_detach,
        supports_prewhere,
        supports_with_fill,
        supports_limit_by,
        supports_interpolate,
        supports_settings,
        supports_select_format,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_key_column_option,
        supports_comma_separated_trim,
        supports_cte_without_as,
        supports_select_item_multi_column_alias,
        supports_xml_expressions,
    );
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    #[test]
    fn statements_parse_as_in_the_generic_dialect() {
        for sql in [
            "SELECT a, sum(b) FILTER (WHERE c > 1) FROM t GROUP BY ALL ORDER BY 1 LIMIT 3",
            "SELECT * EXCLUDE (a) FROM t AS x JOIN u USING (id) WHERE a IN (SELECT b FROM v)",
            "SELECT {'a': 1}, [1, 2, 3], x[1], struct(1, 2), E'\\n', DATE '2026-01-01', INTERVAL '1 day'",
            "SELECT extract(year FROM d), substring(s FROM 2 FOR 3), trim(BOTH 'x' FROM s), a::INT FROM t",
            "SELECT row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
            "FROM t |> WHERE a > 1 |> SELECT a",
            "EXPLAIN (ANALYZE, VERBOSE) SELECT 1",
            "INSERT INTO t (a, b) VALUES (1, 'x'), ($1, $2)",
            "CREATE TABLE t (a INT NOT NULL, b VARCHAR(10), c INT[]) ",
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        ] {
            let ours = DFParser::parse_sql_with_dialect(sql, &DabDialect).map_err(|e| e.to_string());
            let generic = DFParser::parse_sql_with_dialect(sql, &GENERIC).map_err(|e| e.to_string());
            assert_eq!(ours, generic, "{sql}");
            assert!(ours.is_ok(), "{sql}: {ours:?}");
        }
    }

    #[test]
    fn table_versions_parse_only_here() {
        let sql = "SELECT * FROM t VERSION AS OF 3";
        assert!(DFParser::parse_sql_with_dialect(sql, &DabDialect).is_ok());
        assert!(DFParser::parse_sql_with_dialect(sql, &GENERIC).is_err());
    }
}
