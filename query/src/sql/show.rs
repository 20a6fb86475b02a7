//! `SHOW TABLES`, `SHOW COLUMNS`, `SHOW <setting>`.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ShowStatementOptions, Statement as Sql};

use super::parse::parse;
use crate::{Error, Limits};

/// Newcomers look for their tables; DataFusion's own answer lists its information schema among them.
const TABLES: &str = "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables \
                      WHERE table_schema <> 'information_schema' ORDER BY table_schema DESC, table_name";

/// Replaces `SHOW TABLES` by a query and checks the others.
pub(crate) fn rewrite_show(statement: &mut Statement, limits: &Limits) -> Result<(), Error> {
    let Statement::Statement(sql) = statement else {
        return Ok(());
    };
    match sql.as_ref() {
        Sql::ShowTables {
            terse: false,
            history: false,
            extended: false,
            full: false,
            external: false,
            show_options,
        } if no_options(show_options) => {
            *statement = parse(TABLES, limits)?.statement;
        }
        Sql::ShowTables { .. } => {
            return Err(Error::not_supported(
                "SHOW TABLES takes no options: query information_schema.tables instead",
            ));
        }
        // DataFusion pastes the name into a query's text: a quoted name could end that query and begin another.
        Sql::ShowVariable { variable } => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if let Some(strange) = variable.iter().find(|part| !part.value.chars().all(plain)) {
                return Err(Error::invalid(format!("{strange} is no setting")));
            }
        }
        _ => {}
    }
    Ok(())
}

fn no_options(options: &ShowStatementOptions) -> bool {
    options.show_in.is_none()
        && options.starts_with.is_none()
        && options.limit.is_none()
        && options.limit_from.is_none()
        && options.filter_position.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str) -> Result<String, String> {
        let mut statement = parse(sql, &Limits::default()).unwrap().statement;
        rewrite_show(&mut statement, &Limits::default()).map_err(|error| error.to_string())?;
        Ok(statement.to_string())
    }

    #[test]
    fn show_tables_becomes_a_query_without_the_information_schema() {
        assert!(check("SHOW TABLES").unwrap().contains("<> 'information_schema'"));
        assert!(
            check("SHOW TABLES LIKE 'a%'")
                .unwrap_err()
                .contains("query information_schema.tables")
        );
        assert!(check("SHOW FULL TABLES").unwrap_err().contains("takes no options"));
    }

    /// DataFusion 55 asserts that the text it builds from the name is one statement; a name that holds `'; SELECT 1`
    /// made two of it, and the node panicked.
    #[test]
    fn the_name_of_a_setting_cannot_smuggle_in_a_statement() {
        for sql in [
            "SHOW \"datafusion.runtime.x'; SELECT 1; --\"",
            "SHOW \"datafusion.runtime.x' UNION ALL SELECT * FROM t --\"",
        ] {
            assert!(check(sql).unwrap_err().contains("is no setting"), "{sql}");
        }
        assert!(check("SHOW datafusion.execution.batch_size").is_ok());
    }
}
