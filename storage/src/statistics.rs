//! Tells the planner what the commits say about the columns that a scan reads.
//!
//! deltalake's scan gives it the smallest and largest values of columns with a condition only, and the size of whole files
//! for that of the columns read. The order of joins hangs on both: told so little, the planner takes a table of which it
//! reads one column for a large one, and cannot see how many rows a join leaves.
//!
//! What is added are estimates: values in a commit are shortened (texts) or rounded (decimals, times), so they bound those
//! in the files, and no query is answered from them. Only a number of nulls is exact, where every file read tells its own.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ColumnStatistics, ScalarValue};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::{Accumulator, Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::PruningStatistics;
use datafusion::physical_plan::ExecutionPlan;
use deltalake_core::delta_datafusion::DeltaScanNext;
use deltalake_core::kernel::EagerSnapshot;

/// A table at a version whose scans know the statistics of all columns that they read.
///
/// The scan itself is deltalake's, node for node: only the numbers that its file source reports are other ones, so
/// conditions, limits and dynamic filters reach the files as before.
#[derive(Debug)]
pub(crate) struct DescribedTable {
    pub(crate) scan: DeltaScanNext,
    pub(crate) state: Arc<EagerSnapshot>,
}

#[async_trait]
impl TableProvider for DescribedTable {
    fn schema(&self) -> SchemaRef {
        self.scan.schema()
    }

    fn table_type(&self) -> TableType {
        self.scan.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.scan.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.scan.scan(session, projection, filters, limit).await?;
        Ok(plan.transform_up(|node| Ok(self.describe(node)))?.data)
    }
}

impl DescribedTable {
    /// Gives a source of files its statistics; every other node stays as it is.
    fn describe(&self, node: Arc<dyn ExecutionPlan>) -> Transformed<Arc<dyn ExecutionPlan>> {
        let described = node
            .downcast_ref::<DataSourceExec>()
            .and_then(|source| source.data_source().downcast_ref::<FileScanConfig>())
            .map(|files| self.describe_files(files));
        let Some(files) = described else {
            return Transformed::no(node);
        };
        let described: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(files);
        Transformed::yes(described)
    }

    fn describe_files(&self, files: &FileScanConfig) -> FileScanConfig {
        let read: usize = files.file_groups.iter().map(|group| group.len()).sum();
        let whole = read == self.state.log_data().num_files();
        let mut statistics = files.statistics();
        let rows = statistics.num_rows;
        // The columns of the files come first; after them stands only the number of the file that a row is from.
        let columns = files.file_source().table_schema().file_schema().fields();
        for (field, told) in columns.iter().zip(&mut statistics.column_statistics) {
            // A column with a condition is described already, from the files alone that may hold such rows.
            if told.min_value == Precision::Absent {
                *told = self.describe_column(field, whole);
            }
            told.byte_size = size_of_column(field.data_type(), rows);
        }
        let sizes = statistics.column_statistics.iter().take(columns.len());
        let total = sizes.map(|column| column.byte_size).reduce(|sum, size| sum.add(&size));
        statistics.total_byte_size = total.unwrap_or(Precision::Absent);
        FileScanConfigBuilder::from(files.clone())
            .with_statistics(statistics)
            .build()
    }

    /// What all files together tell of a column. Where only some of them are read, it bounds their values as well.
    fn describe_column(&self, field: &FieldRef, whole: bool) -> ColumnStatistics {
        // deltalake gives the numbers of a struct's first field for those of the struct
        if field.data_type().is_nested() {
            return ColumnStatistics::new_unknown();
        }
        let files = self.state.log_data();
        let column = Column::from_name(field.name());
        let least = files.min_values(&column).and_then(|values| least(&values));
        let greatest = files.max_values(&column).and_then(|values| greatest(&values));
        let nulls = files.null_counts(&column).and_then(|counts| sum(&counts));
        let bound = |value: Option<ScalarValue>| match value.and_then(|value| value.cast_to(field.data_type()).ok()) {
            Some(value) => Precision::Inexact(value),
            None => Precision::Absent,
        };
        ColumnStatistics {
            min_value: bound(least),
            max_value: bound(greatest),
            null_count: match nulls {
                Some(nulls) if whole => Precision::Exact(nulls),
                Some(nulls) => Precision::Inexact(nulls),
                None => Precision::Absent,
            },
            ..ColumnStatistics::new_unknown()
        }
    }
}

/// Bytes of a column in memory. Unknown where its values have no fixed width: the planner then compares numbers of rows,
/// as it does over plain Parquet files.
fn size_of_column(data_type: &DataType, rows: Precision<usize>) -> Precision<usize> {
    match data_type.primitive_width() {
        Some(width) => rows.multiply(&Precision::Inexact(width)),
        None => Precision::Absent,
    }
}

/// The least value; `None` unless every file tells one.
fn least(values: &ArrayRef) -> Option<ScalarValue> {
    every_file(values)?;
    let mut least = MinAccumulator::try_new(values.data_type()).ok()?;
    least.update_batch(std::slice::from_ref(values)).ok()?;
    least.evaluate().ok()
}

/// The greatest value; `None` unless every file tells one.
fn greatest(values: &ArrayRef) -> Option<ScalarValue> {
    every_file(values)?;
    let mut greatest = MaxAccumulator::try_new(values.data_type()).ok()?;
    greatest.update_batch(std::slice::from_ref(values)).ok()?;
    greatest.evaluate().ok()
}

fn sum(counts: &ArrayRef) -> Option<usize> {
    every_file(counts)?;
    let counts = counts.as_any().downcast_ref::<UInt64Array>()?;
    usize::try_from(counts.values().iter().sum::<u64>()).ok()
}

fn every_file(values: &ArrayRef) -> Option<()> {
    (values.null_count() == 0).then_some(())
}
