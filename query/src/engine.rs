//! What all sessions of one node share: the lake, the limits, and DataFusion set up within them.

use std::sync::Arc;

use dab_storage::Lake;
use datafusion::common::config::Dialect;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, SessionStateDefaults};
use datafusion::prelude::SessionConfig;

use crate::admission::Admission;
use crate::catalog_provider::{CATALOG, SCHEMA};
use crate::functions::{BoundedPlanner, BoundsRule, bounded};
use crate::object_store_registry::TableStores;
use crate::writes::Writes;
use crate::{Error, Limits, Session};

/// How many of the largest holders of memory an error about memory goes through to find its words.
const LARGEST_CONSUMERS: usize = 3;

/// Runs statements over a lake, within limits. One per node; sessions are made from it.
pub struct Engine {
    lake: Arc<Lake>,
    limits: Limits,
    admission: Arc<Admission>,
    writes: Writes,
    template: SessionState,
}

impl Engine {
    /// Sets DataFusion up. Fails where the folder for spilling cannot be used.
    pub fn new(lake: Arc<Lake>, limits: Limits) -> Result<Arc<Self>, Error> {
        let template = template(&limits)?;
        let admission = Arc::new(Admission::new(&limits));
        Ok(Arc::new(Self {
            lake,
            limits,
            admission,
            writes: Writes::new(),
            template,
        }))
    }

    /// The lake that statements read and write.
    pub fn lake(&self) -> &Arc<Lake> {
        &self.lake
    }

    /// The limits, as set.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes that running statements have reserved at the moment.
    pub fn memory_reserved_bytes(&self) -> usize {
        self.template.runtime_env().memory_pool.reserved()
    }

    /// A session of an authenticated user; its commits carry that name.
    pub fn session(self: &Arc<Self>, user: &str) -> Session {
        Session::new(self.clone(), user)
    }

    /// Refuses new writes with [`Error::Stopping`], and waits for those under way: for rows still to come as long as their
    /// clients wait for them, then for the commit.
    pub async fn finish_writes(&self) {
        self.writes.finish().await;
    }

    pub(crate) fn writes(&self) -> &Writes {
        &self.writes
    }

    pub(crate) fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// DataFusion's state for one statement, still without tables.
    pub(crate) fn state(&self) -> SessionState {
        let mut state = self.template.clone();
        state.mark_start_execution();
        state
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Functions and operators as DataFusion brings them; file formats, table factories and URL tables stay out, so that
/// no statement finds a way to a file.
pub(crate) fn template(limits: &Limits) -> Result<SessionState, Error> {
    let table_functions = SessionStateDefaults::default_table_functions();
    Ok(SessionStateBuilder::new()
        .with_config(config(limits))
        .with_runtime_env(runtime(limits)?)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(bounded(SessionStateDefaults::default_scalar_functions(), limits))
        .with_analyzer_rule(Arc::new(BoundsRule::new(limits)))
        .with_query_planner(Arc::new(BoundedPlanner::new(limits)))
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(table_functions)
        .build())
}

fn config(limits: &Limits) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(limits.partitions.max(1))
        .with_batch_size(limits.batch_rows.max(1));
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::Generic;
    // Names without quotes fold to lower case, as in PostgreSQL; columns with upper case are reached with quotes.
    options.sql_parser.enable_ident_normalization = true;
    // VARCHAR means plain text in schemas that clients see; scans still read views.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("UTC".into());
    // Partition columns come as dictionaries, on which the pushed-down IN lists of hash joins panic.
    options.optimizer.hash_join_inlist_pushdown_max_size = 0;
    options.optimizer.hash_join_inlist_pushdown_max_distinct_values = 0;
    config
}

fn runtime(limits: &Limits) -> Result<Arc<RuntimeEnv>, Error> {
    let consumers = std::num::NonZeroUsize::new(LARGEST_CONSUMERS).expect("it is not zero");
    let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory_bytes), consumers);
    let spill_mode = match &limits.spill_directory {
        Some(directory) => DiskManagerMode::Directories(vec![directory.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(spill_mode)
        .with_max_temp_directory_size(limits.spill_bytes);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        .with_object_store_registry(Arc::new(TableStores::default()))
        .build_arc()?;
    Ok(runtime)
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::displayable;

    use super::*;
    use crate::limits::STACK_BYTES;
    use crate::sql::parse::parse;

    /// Parses, plans and optimises, and drops it all, on a stack as large as the one that `flight` gives its threads. An
    /// overflow would end the process.
    fn plan_on_a_workers_stack(sql: String) -> Result<String, Error> {
        let plan = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let limits = Limits {
                    partitions: 2,
                    ..Limits::default()
                };
                let parsed = parse(&sql, &limits)?;
                let state = template(&limits)?;
                let plan = state.statement_to_plan(parsed.statement).await?;
                let copy = plan.clone();
                let physical = state.create_physical_plan(&plan).await?;
                drop(copy);
                Ok(displayable(physical.as_ref()).one_line().to_string())
            })
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(plan).unwrap();
        thread.join().unwrap()
    }

    fn chain(of: &str, with: &str, times: usize) -> String {
        vec![of; times].join(with)
    }

    #[test]
    fn the_longest_chains_that_pass_fit_a_workers_stack() {
        let longest = Limits::default().operator_chain_max;
        let joins = Limits::default().joins_max;
        for sql in [
            format!("SELECT {}", chain("n", " + ", longest)) + " FROM (SELECT 1 AS n)",
            format!(
                "SELECT n FROM (SELECT 1 AS n) WHERE {}",
                chain("n = 1", " OR ", longest / 2)
            ),
            format!("SELECT 1{}", "::INT".repeat(longest / 2)),
            format!("SELECT [[1]]{}", "[1]".repeat(longest)),
            format!("SELECT 1 {}", "IS NULL ".repeat(longest / 2)),
            chain("SELECT 1", " UNION ALL ", longest),
            chain("SELECT 1", " EXCEPT ", longest / 4),
            format!("FROM (SELECT 1 AS n) {}", "|> WHERE n = 1 ".repeat(longest / 2)),
            format!(
                "SELECT CAST(NULL AS {}INT{})",
                "ARRAY<".repeat(longest / 2),
                ">".repeat(longest / 2)
            ),
            format!("SELECT CAST(NULL AS INT{})", "[]".repeat(longest / 2)),
            format!("SELECT {}", chain("'a'", " || ", longest)),
            format!("SELECT * FROM {}", chain("(SELECT 1)", ", ", joins)),
            format!(
                "SELECT * FROM ((SELECT 1 AS n){})",
                " LEFT SEMI JOIN (SELECT 1 AS m) ON 1 = 1".repeat(joins)
            ),
            format!("SELECT 1 WHERE {}", chain("1 IN (SELECT 1)", " AND ", joins)),
            format!("SELECT CASE {} END", chain("WHEN 1 = 2 THEN 3", " ", longest / 4)),
            format!("SELECT {}1{}", "(".repeat(40), ")".repeat(40)),
            format!("SELECT 1 WHERE 1 IN ({})", chain("2", ", ", 50_000)),
            format!("SELECT {}", chain("1", ", ", 2_000)),
        ] {
            let text = sql[..sql.len().min(60)].to_owned();
            match plan_on_a_workers_stack(sql) {
                Ok(_)
                | Err(Error::InvalidStatement { .. } | Error::NotSupported { .. } | Error::InvalidData { .. }) => {}
                Err(Error::ResourceExhausted {
                    what: "a chain of operators",
                    ..
                }) => {}
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn no_file_of_the_machine_can_be_reached() {
        for sql in [
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM 'file:///etc/passwd'",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM \"/etc/passwd\"",
        ] {
            assert!(
                matches!(plan_on_a_workers_stack(sql.into()), Err(Error::InvalidStatement { .. })),
                "{sql}"
            );
        }
        let registry = runtime(&Limits::default()).unwrap().object_store_registry.clone();
        assert!(
            registry
                .get_store(&url::Url::parse("file:///etc/passwd").unwrap())
                .is_err()
        );
    }
}
