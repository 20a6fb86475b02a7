//! The rows of a write, as the input that storage takes: in the table's own shape, and stopped when they must stop.

use std::sync::Arc;

use dab_storage::WriteInput;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, UNNAMED_TABLE};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use crate::Error;
use crate::conform::Conform;
use crate::stop::Stop;

/// The rows of a query. Its partitions stay apart, so that files are written in parallel.
pub(crate) async fn rows_of_plan(
    plan: LogicalPlan,
    target: SchemaRef,
    state: &Arc<SessionState>,
    stop: &Stop,
) -> Result<WriteInput, Error> {
    let physical = stop
        .bound(async { Ok(state.create_physical_plan(&plan).await?) })
        .await?;
    let conform = Arc::new(Conform::new(&physical.schema(), target)?);
    let partitions = 0..physical.output_partitioning().partition_count();
    let partitions = partitions.map(|partition| {
        let source = Source::Plan {
            plan: physical.clone(),
            partition,
        };
        Arc::new(Rows {
            source,
            conform: conform.clone(),
            stop: stop.clone(),
        }) as Arc<dyn PartitionStream>
    });
    write_input(partitions.collect(), &conform, state)
}

/// Rows that arrive as they are sent; they can be read once.
pub(crate) fn rows_of_stream(
    stream: SendableRecordBatchStream,
    target: SchemaRef,
    state: &Arc<SessionState>,
    stop: &Stop,
) -> Result<WriteInput, Error> {
    let conform = Arc::new(Conform::new(&stream.schema(), target)?);
    let source = Source::Stream(Mutex::new(Some(stream)));
    let rows = Rows {
        source,
        conform: conform.clone(),
        stop: stop.clone(),
    };
    write_input(vec![Arc::new(rows)], &conform, state)
}

fn write_input(
    partitions: Vec<Arc<dyn PartitionStream>>,
    conform: &Conform,
    state: &Arc<SessionState>,
) -> Result<WriteInput, Error> {
    let table = StreamingTable::try_new(conform.target().clone(), partitions)?;
    let plan = LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(Arc::new(table)), None)?.build()?;
    Ok(WriteInput {
        plan,
        session: state.clone(),
    })
}

struct Rows {
    source: Source,
    conform: Arc<Conform>,
    stop: Stop,
}

enum Source {
    Plan {
        plan: Arc<dyn ExecutionPlan>,
        partition: usize,
    },
    Stream(Mutex<Option<SendableRecordBatchStream>>),
}

impl Source {
    fn open(&self, context: Arc<TaskContext>) -> DataFusionResult<SendableRecordBatchStream> {
        match self {
            Source::Plan { plan, partition } => plan.execute(*partition, context),
            Source::Stream(stream) => stream
                .lock()
                .take()
                .ok_or_else(|| Error::internal("rows that arrive can be read only once").into()),
        }
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        self.conform.target()
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let stop = self.stop.clone();
        let kept = move |error: Error| {
            stop.fail(&error);
            DataFusionError::from(error)
        };
        let rows = match self.source.open(context) {
            Ok(rows) => rows,
            Err(error) => {
                let error = kept(error.into());
                let failed = stream::once(async move { Err(error) });
                return Box::pin(RecordBatchStreamAdapter::new(self.schema().clone(), failed));
            }
        };
        let conform = self.conform.clone();
        let shaped = self.stop.guard(rows).map(move |batch| {
            let shaped = batch.map_err(Error::from).and_then(|batch| conform.apply(&batch));
            shaped.map_err(&kept)
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema().clone(), shaped))
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.source {
            Source::Plan { .. } => "a query",
            Source::Stream(_) => "rows that arrive",
        };
        write!(f, "Rows({what})")
    }
}
