//! How much one statement, and all of them together, may take.
//!
//! Every limit has a name, and an error that meets one says which. The defaults are meant for a machine that serves
//! nothing else but DAB.

use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The stack that threads need on which statements are prepared and run: planning recurses as deep as the limits below let
/// statements nest, and an overflow would end the process. Only what is used of it takes memory.
pub const STACK_BYTES: usize = 16 << 20;

/// The limits of an [`Engine`](crate::Engine). All of them are the operator's: no statement can raise one.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Memory that sorts, joins, aggregates and writers of all running statements may hold together, in bytes.
    /// Operators that can spill share it fairly and spill when it runs short; the others fail with
    /// [`Error::ResourceExhausted`](crate::Error::ResourceExhausted). Default: half of the machine's memory (of the
    /// container's, if that is less), at least 512 MiB.
    pub memory_bytes: usize,
    /// Disk that all running statements may take for spilling, in bytes. Default: 20 GiB.
    pub spill_bytes: u64,
    /// Where to spill. Default: the operating system's temporary directory.
    pub spill_directory: Option<PathBuf>,
    /// From the start of a statement to its last row; a slow reader's time counts. A write that has begun to commit
    /// is no longer stopped. Default: one hour.
    pub statement_timeout: Duration,
    /// Statements that run at the same time. Default: 64.
    pub concurrent_statements_max: usize,
    /// Statements that may wait for their turn; the next one is refused at once. Default: 256.
    pub waiting_statements_max: usize,
    /// The longest statement text, in bytes. Default: 1 MiB.
    pub sql_bytes_max: usize,
    /// Tokens of a statement: words, numbers, operators. Default: 200,000.
    pub tokens_max: usize,
    /// The longest chain of operators without a comma between them, such as the `OR`s of a generated filter: planning
    /// recurses over it. Default: 1,000.
    pub operator_chain_max: usize,
    /// The deepest nesting of `WITH` clauses: the time to find their tables doubles with each. Default: 8.
    pub with_depth_max: usize,
    /// Joins in one statement, at whatever depth, subqueries in conditions included: planning recurses once for each.
    /// Default: 64.
    pub joins_max: usize,
    /// Queries of one statement, each as often as it is read: a query of a `WITH` is put into every place that names it.
    /// Default: 2,000.
    pub queries_max: usize,
    /// How deep queries may stand within each other, by `WITH`, as derived tables or as conditions: planning recurses, and
    /// takes longer than in proportion. Default: 64.
    pub query_depth_max: usize,
    /// The size of an expression, with the expressions of the columns that it names put in their places, as the optimizer
    /// does with conditions. Default: 50,000.
    pub expression_nodes_max: usize,
    /// Columns that one SELECT names; planning takes longer than in proportion. Default: 4,096.
    pub columns_max: usize,
    /// The highest number of a parameter. Default: 10,000.
    pub parameters_max: usize,
    /// What a function or a constant may take for one batch of rows, in bytes; larger values also count towards
    /// `memory_bytes`. Default: 256 MiB.
    pub function_bytes_max: u64,
    /// Steps that a function such as `levenshtein` or a pattern may take for one batch of rows, during which nothing
    /// interrupts it. Default: 1,000,000,000, a few seconds.
    pub function_steps_max: u64,
    /// Operators in one plan. Default: 10,000.
    pub plan_nodes_max: usize,
    /// Partitions that one operator works on at the same time. Default: the number of cores.
    pub partitions: usize,
    /// Rows that operators hand to each other at once. Default: 8,192.
    pub batch_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let half_of_memory = memory_bytes_of_this_machine().unwrap_or(4 * GIB) / 2;
        Self {
            memory_bytes: usize::try_from(half_of_memory.max(512 * MIB)).unwrap_or(usize::MAX),
            spill_bytes: 20 * GIB,
            spill_directory: None,
            statement_timeout: Duration::from_secs(3600),
            concurrent_statements_max: 64,
            waiting_statements_max: 256,
            sql_bytes_max: MIB as usize,
            tokens_max: 200_000,
            operator_chain_max: 1_000,
            with_depth_max: 8,
            joins_max: 64,
            queries_max: 2_000,
            query_depth_max: 64,
            expression_nodes_max: 50_000,
            columns_max: 4_096,
            parameters_max: 10_000,
            function_bytes_max: 256 * MIB,
            function_steps_max: 1_000_000_000,
            plan_nodes_max: 10_000,
            partitions: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            batch_rows: 8_192,
        }
    }
}

/// The smaller of the machine's memory and this container's limit; nothing where Linux does not say.
fn memory_bytes_of_this_machine() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| total_of_meminfo(&text));
    let container = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    [machine, container].into_iter().flatten().min()
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_meminfo_in_bytes() {
        let text = "MemTotal:       24653444 kB\nMemFree:        18000000 kB\n";
        assert_eq!(total_of_meminfo(text), Some(24_653_444 * 1024));
        assert_eq!(total_of_meminfo("MemTotal: lots\n"), None);
        assert_eq!(total_of_meminfo(""), None);
    }

    #[test]
    fn defaults_leave_room_to_work() {
        let limits = Limits::default();
        assert!(limits.memory_bytes >= 512 << 20, "{limits:?}");
        assert!(limits.partitions >= 1, "{limits:?}");
    }
}
