use super::*;
use crate::wire::tests::zoo;
use arrow::{
    array::{ArrayRef, Int64Array, StringArray},
    datatypes::{DataType, Field, Schema},
};
use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use futures::stream;
use std::time::Instant;
use tonic::Code;

struct Setup {
    threads: Arc<QueryThreads>,
    limits: Arc<Limits>,
    ends: Ends,
    rows: RowCount,
}

fn setup(change: impl FnOnce(&mut Limits)) -> Setup {
    let mut limits = Limits::default();
    change(&mut limits);
    Setup {
        threads: QueryThreads::start(2).unwrap(),
        limits: Arc::new(limits),
        ends: Ends {
            cancel: Cancel::new(),
            stopping: Cancel::new(),
        },
        rows: RowCount::default(),
    }
}

impl Setup {
    fn start(&self, schema: &SchemaRef, batches: Batches) -> BoxStream<'static, Result<FlightData, Status>> {
        let source = async move { Ok(batches) };
        start(
            &self.threads,
            &self.limits,
            Arc::clone(schema),
            source,
            self.ends.clone(),
            self.rows.clone(),
        )
    }
}

fn numbers(from: i64, rows: i64) -> RecordBatch {
    let values = Int64Array::from_iter_values(from..from + rows);
    RecordBatch::try_from_iter([("n", Arc::new(values) as ArrayRef)]).unwrap()
}

fn ready(batches: Vec<RecordBatch>) -> Batches {
    stream::iter(batches.into_iter().map(Ok)).boxed()
}

async fn decode(stream: BoxStream<'static, Result<FlightData, Status>>) -> (SchemaRef, Vec<RecordBatch>) {
    let mut decoder = FlightDataDecoder::new(stream.map(|item| item.map_err(Into::into)));
    let (mut schema, mut batches) = (None, Vec::new());
    while let Some(message) = decoder.next().await {
        match message.unwrap().payload {
            DecodedPayload::Schema(first) => assert!(schema.replace(first).is_none(), "one schema"),
            DecodedPayload::RecordBatch(batch) => batches.push(batch),
            DecodedPayload::None => {}
        }
    }
    (schema.unwrap(), batches)
}

#[tokio::test]
async fn small_batches_are_joined_and_large_ones_cut() {
    let setup = setup(|limits| limits.response_bytes_target = 8_000);
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    let small: Vec<_> = (0..100).map(|i| numbers(i * 5, 5)).collect();
    let (announced, batches) = decode(setup.start(&schema, ready([small, vec![numbers(500, 10_000)]].concat()))).await;
    assert_eq!(announced, schema);
    let rows: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert!(rows.iter().all(|rows| *rows * 8 <= 8_000), "{rows:?}");
    assert!(rows.len() <= 15, "{rows:?}");
    let all = concat_batches(&schema, &batches).unwrap();
    assert_eq!(
        all.column(0).as_ref(),
        numbers(0, 10_500).column(0).as_ref(),
        "all rows, in order"
    );
    assert_eq!(setup.rows.get(), 10_500);
}

#[tokio::test]
async fn every_type_travels() {
    let setup = setup(|_| {});
    let (batch, _) = zoo();
    let schema = wire::wire_schema(&batch.schema());
    let (announced, batches) = decode(setup.start(&schema, ready(vec![batch.clone(), batch.clone()]))).await;
    assert_eq!(announced, schema);
    let conformed = wire::conform(&batch, &schema).unwrap();
    assert_eq!(
        concat_batches(&schema, &batches).unwrap(),
        concat_batches(&schema, [&conformed, &conformed]).unwrap()
    );
}

#[tokio::test]
async fn silence_is_filled_with_empty_batches_after_the_schema() {
    let setup = setup(|limits| limits.keep_alive_interval = Duration::from_millis(50));
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    let slow = stream::once(async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(numbers(0, 3))
    });
    let (_, batches) = decode(setup.start(&schema, slow.boxed())).await;
    let (last, silent) = batches.split_last().unwrap();
    assert_eq!(last.num_rows(), 3);
    assert!(
        silent.len() >= 3 && silent.iter().all(|batch| batch.num_rows() == 0),
        "{} keep-alives",
        silent.len()
    );
}

#[tokio::test]
async fn a_batch_that_comes_early_is_not_held_back_for_the_next() {
    let setup = setup(|_| {});
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    let batches = ready(vec![numbers(0, 1)]).chain(stream::pending()).boxed();
    let mut stream = setup.start(&schema, batches);
    stream.next().await.unwrap().unwrap();
    let second = tokio::time::timeout(Duration::from_secs(2), stream.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(!second.data_body.is_empty());
}

#[tokio::test]
async fn a_failure_after_rows_is_an_error_and_never_an_end() {
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    let failures: [(Batches, Code); 2] = [
        (
            stream::iter([Ok(numbers(0, 1)), Err(Status::resource_exhausted("memory"))]).boxed(),
            Code::ResourceExhausted,
        ),
        (
            stream::iter([Ok(numbers(0, 1))])
                .chain(stream::once(async { panic!("the test's own") }))
                .boxed(),
            Code::Internal,
        ),
    ];
    for (batches, expected) in failures {
        let setup = setup(|_| {});
        let items: Vec<_> = setup.start(&schema, batches).collect().await;
        assert_eq!(items.last().unwrap().as_ref().unwrap_err().code(), expected);
    }
    // a null where the plan promised none
    let setup = setup(|_| {});
    let strict: SchemaRef = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
    let nulls = Int64Array::from(vec![Some(1), None]);
    let batch = RecordBatch::try_from_iter([("n", Arc::new(nulls) as ArrayRef)]).unwrap();
    let items: Vec<_> = setup
        .start(&wire::wire_schema(&strict), ready(vec![batch]))
        .collect()
        .await;
    assert_eq!(items.last().unwrap().as_ref().unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn a_row_larger_than_any_message_is_refused_with_its_size() {
    let setup = setup(|limits| limits.response_bytes_max = 10_000);
    let values = StringArray::from(vec!["x".repeat(20_000)]);
    let batch = RecordBatch::try_from_iter([("s", Arc::new(values) as ArrayRef)]).unwrap();
    let schema = wire::wire_schema(&batch.schema());
    let items: Vec<_> = setup.start(&schema, ready(vec![batch])).collect().await;
    let status = items.last().unwrap().as_ref().unwrap_err();
    assert!(
        status.code() == Code::OutOfRange && status.message().contains("one row takes 200"),
        "{status}"
    );
}

/// Tells when it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn endless(dropped: Dropped) -> Batches {
    stream::unfold(dropped, |dropped| async move {
        tokio::task::yield_now().await;
        Some((Ok(numbers(0, 1000)), dropped))
    })
    .boxed()
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_query() {
    let setup = setup(|_| {});
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let mut stream = setup.start(&schema, endless(Dropped(sender)));
    for _ in 0..3 {
        stream.next().await.unwrap().unwrap();
    }
    let start = Instant::now();
    drop(stream);
    receiver.recv().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn cancelling_and_stopping_end_the_stream_with_their_own_status() {
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    for expected in [Code::Cancelled, Code::Unavailable] {
        let setup = setup(|_| {});
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut stream = setup.start(&schema, endless(Dropped(sender)));
        stream.next().await.unwrap().unwrap();
        match expected {
            Code::Cancelled => assert!(setup.ends.cancel.cancel()),
            _ => assert!(setup.ends.stopping.cancel()),
        }
        receiver.recv().await.unwrap();
        let last = Box::pin(stream.filter_map(|item| async { item.err() }))
            .next()
            .await
            .unwrap();
        assert_eq!(last.code(), expected);
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_ends_the_query_after_a_while() {
    let setup = setup(|limits| limits.reader_idle_max = Duration::from_millis(100));
    let schema = wire::wire_schema(&numbers(0, 1).schema());
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let stream = setup.start(&schema, endless(Dropped(sender)));
    receiver.recv().await.unwrap();
    let last = Box::pin(stream.filter_map(|item| async { item.err() }))
        .next()
        .await
        .unwrap();
    assert_eq!(last.code(), Code::DeadlineExceeded);
}
