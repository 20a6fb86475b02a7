//! Prepared statements and their parameters.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
        StringDictionaryBuilder,
    },
    datatypes::{DataType, Int32Type, Schema},
};
use arrow_flight::{
    Action, FlightData,
    encode::FlightDataEncoderBuilder,
    sql::{
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
        Any, CommandPreparedStatementQuery, CommandPreparedStatementUpdate, DoPutPreparedStatementResult,
        DoPutUpdateResult, ProstMessageExt,
    },
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::{Code, Status};

use crate::harness::*;

type Raw = arrow_flight::flight_service_client::FlightServiceClient<tonic::transport::Channel>;

async fn prepare(raw: &mut Raw, sql: &str) -> Result<(ActionCreatePreparedStatementResult, Bytes), Status> {
    let request = ActionCreatePreparedStatementRequest {
        query: sql.to_owned(),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
    let body = raw
        .do_action(by_user(action))
        .await?
        .into_inner()
        .message()
        .await?
        .unwrap()
        .body;
    let any = Any::decode(body).unwrap();
    Ok((any.unpack().unwrap().unwrap(), any.value))
}

async fn upload(command: &impl ProstMessageExt, schema: Schema, batches: Vec<RecordBatch>) -> Vec<FlightData> {
    FlightDataEncoderBuilder::new()
        .with_schema(Arc::new(schema))
        .with_flight_descriptor(Some(descriptor(command)))
        .build(stream::iter(batches.into_iter().map(Ok)))
        .try_collect()
        .await
        .unwrap()
}

async fn put(raw: &mut Raw, messages: Vec<FlightData>) -> Result<Bytes, Status> {
    let mut results = raw.do_put(by_user(stream::iter(messages))).await?.into_inner();
    Ok(results.message().await?.unwrap().app_metadata)
}

async fn bind(raw: &mut Raw, handle: &Bytes, batch: RecordBatch) -> Result<Bytes, Status> {
    let command = CommandPreparedStatementQuery {
        prepared_statement_handle: handle.clone(),
    };
    let schema = batch.schema().as_ref().clone();
    let result = put(raw, upload(&command, schema, vec![batch]).await).await?;
    Ok(DoPutPreparedStatementResult::decode(result)
        .unwrap()
        .prepared_statement_handle
        .unwrap())
}

async fn query(raw: &mut Raw, handle: &Bytes) -> Result<Vec<RecordBatch>, Status> {
    let command = CommandPreparedStatementQuery {
        prepared_statement_handle: handle.clone(),
    };
    let info = raw.get_flight_info(by_user(descriptor(&command))).await?.into_inner();
    let messages = fetch(raw, ticket(&info)).await?;
    Ok(arrow_flight::utils::flight_data_to_batches(&messages).unwrap())
}

async fn update(raw: &mut Raw, handle: &Bytes, schema: Schema, batches: Vec<RecordBatch>) -> Result<i64, Status> {
    let command = CommandPreparedStatementUpdate {
        prepared_statement_handle: handle.clone(),
    };
    let result = put(raw, upload(&command, schema, batches).await).await?;
    Ok(DoPutUpdateResult::decode(result).unwrap().record_count)
}

/// Values as Python's driver sends them: whole numbers in 64 bits, columns named by position.
fn values(ids: Vec<i64>, labels: Vec<&str>) -> RecordBatch {
    let columns = [
        ("0", Arc::new(Int64Array::from(ids)) as ArrayRef),
        ("1", Arc::new(StringArray::from(labels))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn one(id: i64) -> RecordBatch {
    RecordBatch::try_from_iter([("0", Arc::new(Int64Array::from(vec![id])) as ArrayRef)]).unwrap()
}

/// Field 4 of the answer, which `arrow-flight` does not know: a varint.
fn is_update(raw_answer: &Bytes) -> bool {
    let field = [4 << 3];
    let at = raw_answer.len() - 2;
    assert_eq!(raw_answer[at..at + 1], field);
    raw_answer[at + 1] == 1
}

#[tokio::test]
async fn a_client_learns_what_a_statement_is_and_which_parameters_it_takes() {
    let node = Node::start().await;
    make_table(&node.client().await, "t", 3).await;
    let mut raw = node.raw().await;
    let (query, bytes) = prepare(&mut raw, "SELECT label FROM t WHERE id = ? AND label LIKE ?")
        .await
        .unwrap();
    assert!(!is_update(&bytes) && !query.dataset_schema.is_empty());
    let parameters = Schema::try_from(arrow_flight::IpcMessage(query.parameter_schema)).unwrap();
    let types: Vec<_> = parameters
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    assert_eq!(types, [DataType::Int64, DataType::Utf8]);
    for sql in ["INSERT INTO t VALUES (?, ?)", "CREATE TABLE u (a INT)", "DROP TABLE t"] {
        let (update, bytes) = prepare(&mut raw, sql).await.unwrap();
        assert!(
            is_update(&bytes) && update.dataset_schema.is_empty(),
            "{sql}: JDBC must take it for an update"
        );
    }
    assert_eq!(
        prepare(&mut raw, "SELEC").await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_query_takes_its_values_by_position_and_each_binding_keeps_its_own() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 10).await;
    let mut raw = node.raw().await;
    let sql = "SELECT label FROM t WHERE id = ? ORDER BY id";
    let (prepared, _) = prepare(&mut raw, sql).await.unwrap();
    let handle = prepared.prepared_statement_handle;
    assert_eq!(
        query(&mut raw, &handle).await.unwrap_err().code(),
        Code::InvalidArgument,
        "nothing bound"
    );
    let three = bind(&mut raw, &handle, one(3)).await.unwrap();
    let seven = bind(&mut raw, &handle, one(7)).await.unwrap();
    for (handle, expected) in [
        (&three, "row 3"),
        (&seven, "row 7"),
        (&three, "row 3"),
        (&handle, "row 7"),
    ] {
        assert_eq!(texts(&query(&mut raw, handle).await.unwrap()[0], "label"), [expected]);
    }
    // an execution sees what was committed since
    client.update("INSERT INTO t VALUES (7, 'late')").await.unwrap();
    assert_eq!(
        query(&mut raw, &seven)
            .await
            .unwrap()
            .iter()
            .map(RecordBatch::num_rows)
            .sum::<usize>(),
        2
    );

    let two_rows = RecordBatch::try_from_iter([("0", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
    let both = bind(&mut raw, &handle, two_rows).await.unwrap();
    assert_eq!(
        query(&mut raw, &both).await.unwrap_err().code(),
        Code::InvalidArgument,
        "one row for a query"
    );
    let wrong = bind(&mut raw, &handle, values(vec![1], vec!["x"])).await.unwrap_err();
    assert!(wrong.message().contains("1 parameters, 2 columns"), "{wrong}");
    let text = RecordBatch::try_from_iter([("0", Arc::new(StringArray::from(vec!["no number"])) as ArrayRef)]).unwrap();
    let text = bind(&mut raw, &handle, text).await.unwrap();
    assert_eq!(query(&mut raw, &text).await.unwrap_err().code(), Code::InvalidArgument);

    let close = ActionClosePreparedStatementRequest {
        prepared_statement_handle: three,
    };
    let close = Action::new("ClosePreparedStatement", close.as_any().encode_to_vec());
    raw.do_action(by_user(close)).await.unwrap();
    for handle in [&handle, &seven] {
        assert_eq!(query(&mut raw, handle).await.unwrap_err().code(), Code::NotFound);
    }
}

/// A statement is never executed without the values that its client bound, nor with those of another binding.
#[tokio::test]
async fn parameters_that_had_to_go_for_others_can_be_bound_again() {
    // Room for one set of parameters: the next one takes it.
    let node = Node::start_with(|limits| limits.parameters_kept_bytes_max = 1).await;
    make_table(&node.client().await, "t", 10).await;
    let mut raw = node.raw().await;
    let sql = "SELECT label FROM t WHERE id = ?";
    let first = prepare(&mut raw, sql).await.unwrap().0.prepared_statement_handle;
    let second = prepare(&mut raw, sql).await.unwrap().0.prepared_statement_handle;
    let three = bind(&mut raw, &first, one(3)).await.unwrap();
    let seven = bind(&mut raw, &second, one(7)).await.unwrap();
    for gone in [&three, &first] {
        let refused = query(&mut raw, gone).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        assert!(refused.message().contains("bind them again"), "{refused}");
    }
    assert_eq!(texts(&query(&mut raw, &seven).await.unwrap()[0], "label"), ["row 7"]);

    // a client may go on with either handle, that of the statement or that of the binding that is gone
    for handle in [&first, &three] {
        let again = bind(&mut raw, handle, one(4)).await.unwrap();
        for bound in [&again, &first] {
            assert_eq!(texts(&query(&mut raw, bound).await.unwrap()[0], "label"), ["row 4"]);
        }
        assert_eq!(query(&mut raw, &seven).await.unwrap_err().code(), Code::NotFound);
    }
}

#[tokio::test]
async fn types_that_the_statement_leaves_open_follow_the_values() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let marks = (1..=12).map(|n| format!("${n} AS c{n}")).collect::<Vec<_>>().join(", ");
    let (prepared, _) = prepare(&mut raw, &format!("SELECT {marks}")).await.unwrap();
    let columns = (1..=12).map(|n| (format!("{n}"), Arc::new(Int32Array::from(vec![n * 11])) as ArrayRef));
    let bound = bind(
        &mut raw,
        &prepared.prepared_statement_handle,
        RecordBatch::try_from_iter(columns).unwrap(),
    )
    .await;
    let batch = &query(&mut raw, &bound.unwrap()).await.unwrap()[0];
    let found: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| column.as_primitive::<Int32Type>().value(0))
        .collect();
    assert_eq!(
        found,
        (1..=12).map(|n| n * 11).collect::<Vec<_>>(),
        "in the order of their numbers"
    );
}

#[tokio::test]
async fn many_rows_for_an_insert_are_one_commit() {
    let node = Node::start().await;
    let client = node.client().await;
    client.update("CREATE TABLE t (id INT, label VARCHAR)").await.unwrap();
    let mut raw = node.raw().await;
    let (prepared, _) = prepare(&mut raw, "INSERT INTO t VALUES (?, ?)").await.unwrap();
    let handle = prepared.prepared_statement_handle;
    let batches: Vec<_> = (0..4)
        .map(|b| values((b * 250..b * 250 + 250).collect(), vec!["many"; 250]))
        .collect();
    let schema = batches[0].schema().as_ref().clone();
    assert_eq!(update(&mut raw, &handle, schema.clone(), batches).await.unwrap(), 1000);
    assert_eq!(
        number(&client, "SELECT sum(id) FROM t WHERE label = 'many'").await,
        999 * 1000 / 2
    );
    assert_eq!(versions(&client, "t").await, 2);
    assert_eq!(
        update(&mut raw, &handle, schema, vec![]).await.unwrap(),
        0,
        "values without a row: no execution"
    );
    assert_eq!(versions(&client, "t").await, 2);

    // dictionary-encoded, as pandas sends categories
    let mut labels = StringDictionaryBuilder::<Int32Type>::new();
    labels.append_values("kind", 3);
    let ids = Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef;
    let encoded = RecordBatch::try_from_iter([("0", ids), ("1", Arc::new(labels.finish()))]).unwrap();
    let schema = encoded.schema().as_ref().clone();
    assert_eq!(update(&mut raw, &handle, schema, vec![encoded]).await.unwrap(), 3);
    assert_eq!(number(&client, "SELECT count(*) FROM t WHERE label = 'kind'").await, 3);

    let (select, _) = prepare(&mut raw, "INSERT INTO t SELECT id + 1000, label FROM t WHERE id = ?")
        .await
        .unwrap();
    let ids = RecordBatch::try_from_iter([("0", Arc::new(Int64Array::from(vec![10, 20])) as ArrayRef)]).unwrap();
    let schema = ids.schema().as_ref().clone();
    let before = versions(&client, "t").await;
    assert_eq!(
        update(&mut raw, &select.prepared_statement_handle, schema, vec![ids])
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        versions(&client, "t").await,
        before + 2,
        "other statements are run row by row"
    );
}

#[tokio::test]
async fn updates_without_parameters_are_executed_once_by_an_upload_without_columns() {
    let node = Node::start().await;
    let client = node.client().await;
    client.update("CREATE TABLE t (id INT)").await.unwrap();
    let mut raw = node.raw().await;
    let (prepared, _) = prepare(&mut raw, "INSERT INTO t VALUES (1)").await.unwrap();
    let handle = prepared.prepared_statement_handle;
    // as JDBC does it: a schema without fields; as Go does it: a batch without rows as well
    assert_eq!(update(&mut raw, &handle, Schema::empty(), vec![]).await.unwrap(), 1);
    let nothing = RecordBatchOptions::new().with_row_count(Some(0));
    let nothing = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &nothing).unwrap();
    assert_eq!(
        update(&mut raw, &handle, Schema::empty(), vec![nothing]).await.unwrap(),
        1
    );
    // as ADBC's cursor.execute() does it: GetFlightInfo of a prepared update
    let batches = query(&mut raw, &handle).await.unwrap();
    assert_eq!(batches[0].num_rows(), 1);
    assert_eq!(number(&client, "SELECT count(*) FROM t").await, 3);

    let (query, _) = prepare(&mut raw, "SELECT * FROM t").await.unwrap();
    let refused = update(&mut raw, &query.prepared_statement_handle, Schema::empty(), vec![])
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    client.update("DROP TABLE t").await.unwrap();
    client.update("CREATE TABLE t (other INT)").await.unwrap();
    let command = CommandPreparedStatementQuery {
        prepared_statement_handle: query.prepared_statement_handle,
    };
    let changed = raw.get_flight_info(by_user(descriptor(&command))).await.unwrap_err();
    assert_eq!(changed.code(), Code::FailedPrecondition, "{changed}");
    for odd in [&b""[..], b"short", &[7; 17], &[7; 24]] {
        let command = CommandPreparedStatementQuery {
            prepared_statement_handle: Bytes::copy_from_slice(odd),
        };
        let code = raw
            .get_flight_info(by_user(descriptor(&command)))
            .await
            .unwrap_err()
            .code();
        assert!(
            matches!(code, Code::InvalidArgument | Code::NotFound),
            "{odd:?}: {code}"
        );
    }
}

#[tokio::test]
async fn the_stock_client_executes_prepared_statements() {
    let node = Node::start().await;
    make_table(&node.client().await, "t", 10).await;
    let mut stock = node.stock().await;
    let mut prepared = stock
        .prepare("SELECT label FROM t WHERE id BETWEEN ? AND ?".to_owned(), None)
        .await
        .unwrap();
    let columns = [("a", 2), ("b", 4)].map(|(name, value)| (name, Arc::new(Int64Array::from(vec![value])) as ArrayRef));
    prepared
        .set_parameters(RecordBatch::try_from_iter(columns).unwrap())
        .unwrap();
    let info = prepared.execute().await.unwrap();
    let mut rows = stock.do_get(ticket(&info)).await.unwrap();
    let mut labels = Vec::new();
    while let Some(batch) = rows.next().await {
        labels.extend(texts(&batch.unwrap(), "label"));
    }
    assert_eq!(labels, ["row 2", "row 3", "row 4"]);
    prepared.close().await.unwrap();
}
