//! Several file writers for one write.
//!
//! deltalake gives all rows of a table without partition columns to one file writer, which encodes them on one thread,
//! in however many streams they come. Here others take their share before deltalake sees it:
//!
//! ```text
//!  rows ---> pieces ---> a further file writer ---> its files ---+
//!               |                                                +---> one commit
//!               +------> deltalake's own ----------> its files ---+
//! ```
//!
//! A write that stays small has deltalake's own alone. Each further one comes when the write has doubled, so that files
//! grow with the write rather than become many. From then on all get the same share, and whoever brings the rows waits
//! for the slowest. Each keeps the order of the rows that it gets.
//!
//! For deltalake the rows end only when the further writers have completed their files, which then stand in the commit
//! that it builds (`commit/annotate.rs`). Where anything fails, they end with an error: nothing is committed.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, UNNAMED_TABLE};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use deltalake_core::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake_core::kernel::Add;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::table::config::DEFAULT_TARGET_FILE_SIZE;
use deltalake_core::{DeltaResult, ObjectStore};
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::Error;
use crate::commit::Operation;
use crate::table::WriteInput;

/// Bytes of Arrow memory that a write has when it gets its second file writer; the third comes at twice as many, and so
/// on.
const SECOND_WRITER_BYTES: usize = 64 << 20;

/// What a further file writer reserves of the memory pool, in bytes: the encoded rows of a file that is not full yet. It
/// does not begin where the pool has no room.
const WRITER_MEMORY_BYTES: usize = DEFAULT_TARGET_FILE_SIZE.get() as usize;

/// Rows that a file writer gets at once, so that a large batch is shared too.
const PIECE_ROWS_MAX: usize = 32_768;

/// Pieces that may wait for a further file writer.
const PIECES_WAITING_MAX: usize = 8;

/// The further file writers of one write.
pub(crate) struct FileWriters {
    files: Arc<dyn ObjectStore>,
    config: WriterConfig,
    operation: Arc<Operation>,
    pool: Arc<dyn MemoryPool>,
    writers_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    /// Streams of rows that have not come to their end.
    open: usize,
    further: Vec<FurtherWriter>,
    /// Whose turn it is: a further writer's, or deltalake's own after the last of them.
    turn: usize,
}

struct FurtherWriter {
    messages: mpsc::Sender<Message>,
    /// Ends with the files: none where no rows were left for it. `None` where it failed (the operation knows why) or was
    /// abandoned.
    task: JoinHandle<Option<Vec<Add>>>,
}

enum Message {
    Rows(RecordBatch),
    /// All rows have been sent: a channel that closes without it was abandoned, and its files with it.
    End,
}

impl FileWriters {
    /// Has the rows of `input` shared among as many file writers as its session has partitions: the plan that is left to
    /// deltalake, and the others. There are none where rows are in types that only deltalake knows to store.
    pub(crate) async fn share(
        input: &WriteInput,
        files: Arc<dyn ObjectStore>,
        operation: &Arc<Operation>,
    ) -> Result<Option<(LogicalPlan, Arc<Self>)>, Error> {
        let writers_max = input.session.config().target_partitions();
        if writers_max < 2 || !is_stored_as_it_is(input.plan.schema().as_arrow()) {
            return Ok(None);
        }
        let rows = input
            .session
            .create_physical_plan(&input.plan)
            .await
            .map_err(Error::Query)?;
        let (schema, partitions) = (rows.schema(), rows.output_partitioning().partition_count());
        let state = State {
            open: partitions,
            ..State::default()
        };
        let writers = Arc::new(Self {
            files,
            config: writer_config(schema.clone()),
            operation: operation.clone(),
            pool: input.session.runtime_env().memory_pool.clone(),
            writers_max,
            state: Mutex::new(state),
        });
        let shared = (0..partitions).map(|partition| {
            Arc::new(Shared {
                rows: rows.clone(),
                partition,
                schema: schema.clone(),
                writers: writers.clone(),
            }) as Arc<dyn PartitionStream>
        });
        let plan = plan_of(schema.clone(), shared.collect()).map_err(Error::Query)?;
        Ok(Some((plan, writers)))
    }

    /// Ends writers whose write has failed, and waits until they have taken away what is half written. Does nothing after
    /// one that has come to its end.
    pub(crate) async fn abandon(&self) {
        let further = std::mem::take(&mut self.state.lock().further);
        for FurtherWriter { messages, task } in further {
            drop(messages);
            // A panic has been told by the runtime; the write has failed anyway.
            let _ = task.await;
        }
    }

    /// Notes rows that have come, and begins another writer where they have become many.
    fn grow(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.bytes = state.bytes.saturating_add(bytes);
        let begun = state.further.len();
        let due = u32::try_from(begun).is_ok_and(|begun| {
            let bytes = SECOND_WRITER_BYTES.checked_mul(2_usize.saturating_pow(begun));
            bytes.is_some_and(|bytes| state.bytes > bytes)
        });
        if due && begun + 1 < self.writers_max {
            let memory = MemoryConsumer::new(format!("a file writer[{}]", begun + 1)).register(&self.pool);
            if memory.try_grow(WRITER_MEMORY_BYTES).is_ok() {
                state.further.push(self.begin(memory));
            }
        }
    }

    fn begin(&self, memory: MemoryReservation) -> FurtherWriter {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let writer = DeltaWriter::new(self.files.clone(), self.config.clone());
        let operation = self.operation.clone();
        let task = tokio::spawn(async move {
            let written = write(receiver, writer).await;
            drop(memory);
            written.unwrap_or_else(|error| {
                operation.fail(error.into());
                None
            })
        });
        FurtherWriter { messages: sender, task }
    }

    /// Gives rows to the further writer whose turn it is, when it has room, or gives them back for deltalake's own.
    async fn offer(&self, piece: RecordBatch) -> DataFusionResult<Option<RecordBatch>> {
        let next = {
            let mut state = self.state.lock();
            let turn = state.turn % (state.further.len() + 1);
            state.turn = turn + 1;
            state.further.get(turn).map(|writer| writer.messages.clone())
        };
        match next {
            None => Ok(Some(piece)),
            Some(messages) => match messages.send(Message::Rows(piece)).await {
                Ok(()) => Ok(None),
                Err(_) => Err(failed()),
            },
        }
    }

    /// Notes the end of one stream of rows. After the last one it waits for the files of the further writers.
    async fn end_of_stream(&self) -> DataFusionResult<()> {
        let further = {
            let mut state = self.state.lock();
            state.open -= 1;
            match state.open {
                0 => std::mem::take(&mut state.further),
                _ => return Ok(()),
            }
        };
        // All are told before the first is waited for.
        for writer in &further {
            writer.messages.send(Message::End).await.map_err(|_| failed())?;
        }
        for writer in further {
            let files = writer.task.await.map_err(|_| failed())?;
            self.operation.add_files(files.ok_or_else(failed)?);
        }
        Ok(())
    }
}

fn plan_of(schema: SchemaRef, streams: Vec<Arc<dyn PartitionStream>>) -> DataFusionResult<LogicalPlan> {
    let table = StreamingTable::try_new(schema, streams)?;
    LogicalPlanBuilder::scan(UNNAMED_TABLE, provider_as_source(Arc::new(table)), None)?.build()
}

/// deltalake's own settings for a new table; DAB's tables have no others.
fn writer_config(schema: SchemaRef) -> WriterConfig {
    WriterConfig::new(
        schema,
        Vec::new(),
        None,
        Some(DEFAULT_TARGET_FILE_SIZE),
        None,
        Default::default(),
        None,
    )
}

/// Whether Delta has every type of these rows: deltalake would change the others before it writes.
fn is_stored_as_it_is(schema: &Schema) -> bool {
    let kept = schema.try_into_kernel();
    let kept = kept.and_then(|kept: deltalake_core::kernel::StructType| (&kept).try_into_arrow());
    let same = |kept: Schema| {
        let types =
            |schema: &Schema| -> Vec<_> { schema.fields().iter().map(|field| field.data_type().clone()).collect() };
        types(&kept) == types(schema)
    };
    kept.is_ok_and(same)
}

async fn write(mut messages: mpsc::Receiver<Message>, mut writer: DeltaWriter) -> DeltaResult<Option<Vec<Add>>> {
    loop {
        match messages.recv().await {
            Some(Message::Rows(piece)) => {
                if let Err(error) = writer.write(&piece).await {
                    // The first error says more than one of cleaning up.
                    let _ = writer.abort().await;
                    return Err(error);
                }
                // Encoding never waits: whoever brings the next rows may be waiting for this thread.
                tokio::task::yield_now().await;
            }
            Some(Message::End) => return writer.close().await.map(Some),
            None => {
                writer.abort().await?;
                return Ok(None);
            }
        }
    }
}

/// What went wrong stands in the operation; these words reach nobody.
fn failed() -> DataFusionError {
    DataFusionError::Execution("a file writer failed".into())
}

/// The rows of one stream, less those that the further writers take.
struct Shared {
    rows: Arc<dyn ExecutionPlan>,
    partition: usize,
    schema: SchemaRef,
    writers: Arc<FileWriters>,
}

impl PartitionStream for Shared {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rest = match self.rows.execute(self.partition, context) {
            Ok(rows) => rest(rows, self.writers.clone()).left_stream(),
            Err(error) => stream::once(async move { Err(error) }).right_stream(),
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rest))
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared(stream {} of a write)", self.partition)
    }
}

fn rest(
    rows: SendableRecordBatchStream,
    writers: Arc<FileWriters>,
) -> impl futures::Stream<Item = DataFusionResult<RecordBatch>> + Send {
    let pieces = Pieces {
        rows,
        batch: None,
        offset: 0,
        writers,
    };
    stream::try_unfold(pieces, |mut pieces| async move {
        while let Some(piece) = pieces.next().await? {
            if let Some(piece) = pieces.writers.offer(piece).await? {
                return Ok(Some((piece, pieces)));
            }
        }
        pieces.writers.end_of_stream().await?;
        Ok(None)
    })
}

/// Rows as they are handed out.
struct Pieces {
    rows: SendableRecordBatchStream,
    /// The batch that is being cut, and how many of its rows are gone.
    batch: Option<RecordBatch>,
    offset: usize,
    writers: Arc<FileWriters>,
}

impl Pieces {
    async fn next(&mut self) -> DataFusionResult<Option<RecordBatch>> {
        loop {
            if let Some(batch) = &self.batch
                && self.offset < batch.num_rows()
            {
                let rows = PIECE_ROWS_MAX.min(batch.num_rows() - self.offset);
                let piece = batch.slice(self.offset, rows);
                self.offset += rows;
                return Ok(Some(piece));
            }
            let Some(batch) = self.rows.next().await.transpose()? else {
                return Ok(None);
            };
            self.writers.grow(bytes_of(&batch));
            (self.batch, self.offset) = (Some(batch), 0);
        }
    }
}

/// Bytes of the values themselves: batches are slices of larger ones more often than not.
fn bytes_of(batch: &RecordBatch) -> usize {
    let bytes = |column: &Arc<dyn Array>| column.to_data().get_slice_memory_size().unwrap_or(0);
    batch.columns().iter().map(bytes).sum()
}
