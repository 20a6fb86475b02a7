//! Statements: results, schemas, receipts, time.

use std::time::{Duration, Instant};

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, Schema},
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor, FlightInfo, IpcMessage,
    SchemaResult,
    sql::{ActionCancelQueryRequest, CommandStatementQuery, CommandStatementUpdate, ProstMessageExt},
};
use dab_flight::{
    Error,
    client::Answer,
    receipt_metadata::{PINS_KEY, ResultPins, StatementMetadata},
};
use dab_proof::receipt::Receipt;
use futures::{StreamExt, TryStreamExt};
use prost::Message;
use tonic::Code;

use crate::harness::*;

#[tokio::test]
async fn a_result_says_which_versions_it_read_in_its_schema_and_in_flight_info() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 5).await;
    client.update("INSERT INTO t VALUES (5, 'five')").await.unwrap();
    let rows = client.query("SELECT id FROM t WHERE id > 2 ORDER BY id").await.unwrap();
    let receipt = rows.pins().unwrap().clone();
    assert_eq!((receipt.tables.len(), receipt.certifies_alone), (1, true));
    let pin = &receipt.tables[0];
    assert_eq!((pin.table.as_str(), pin.version), ("t", 1));
    assert_eq!(
        receipt.to_string(),
        format!("t@1 · leaf {} · certifies alone", pin.leaf_index)
    );
    let batches = rows.collect().await.unwrap();
    let in_schema: ResultPins = serde_json::from_str(&metadata_of(&batches[0])[PINS_KEY]).unwrap();
    assert_eq!(in_schema, receipt);
    let digest = format!(
        "SELECT count(*) FROM dab.commits WHERE digest = '{}'",
        &pin.digest["blake3:".len()..]
    );
    assert_eq!(
        number(&client, &digest).await,
        1,
        "the digest is that of the commit file"
    );
    assert_eq!(
        client.query("SELECT 1").await.unwrap().pins().unwrap().to_string(),
        "no table read"
    );
}

/// Queries whose plans and results DataFusion types in its own ways.
const QUERIES: [&str; 34] = [
    "SELECT * FROM t",
    "SELECT id, label FROM t WHERE id > 10",
    "SELECT * FROM t WHERE false",
    "SELECT count(*) FROM t",
    "SELECT count(*) AS n, min(id), max(label), avg(id), sum(id) FROM t",
    "SELECT max(id) FROM t",
    "SELECT label, count(*) FROM t GROUP BY label",
    "SELECT id FROM t UNION SELECT 1",
    "SELECT id FROM t UNION ALL SELECT NULL",
    "SELECT NULL AS nothing, 1 AS one, 'x' AS text, true AS yes",
    "SELECT 1.5 AS a, CAST(1.5 AS DECIMAL(10, 2)) AS b, CAST('1.10' AS DECIMAL(38, 10)) AS c",
    "SELECT CAST(1 AS TINYINT) AS a, CAST(1 AS SMALLINT) AS b, CAST(1 AS INT) AS c, CAST(1 AS BIGINT) AS d, CAST(1 AS REAL) AS e",
    "SELECT CAST(1 AS TINYINT UNSIGNED) AS a, CAST(1 AS BIGINT UNSIGNED) AS b",
    "SELECT DATE '2026-01-31', TIMESTAMP '2026-01-31T01:02:03', TIME '01:02:03'",
    "SELECT now(), current_date",
    "SELECT INTERVAL '1' DAY, INTERVAL '2' MONTH",
    "SELECT DATE '2026-01-31' + INTERVAL '1' DAY",
    "SELECT make_array(1, 2, 3), make_array('a', NULL)",
    "SELECT make_array(make_array(1), make_array(2))",
    "SELECT struct(1, 'a'), named_struct('x', 1, 'y', make_array('b'))",
    "SELECT map(make_array('a', 'b'), make_array(1, 2))",
    "SELECT array_agg(id), array_agg(label) FROM t",
    "SELECT arrow_cast('x', 'Dictionary(Int32, Utf8)'), arrow_cast('x', 'Utf8View'), arrow_cast('x', 'LargeUtf8')",
    "SELECT arrow_cast('x', 'BinaryView'), arrow_cast('x', 'LargeBinary'), X'00ff'",
    "SELECT arrow_cast(make_array(1), 'LargeList(Int64)')",
    "SELECT upper(label), label || '!', substr(label, 1, 2), length(label) FROM t",
    "SELECT CASE WHEN id > 1 THEN label END, coalesce(label, 'none'), id IS NULL FROM t",
    "SELECT row_number() OVER (ORDER BY id), lag(id) OVER (ORDER BY id) FROM t",
    "SELECT a.id, b.label FROM t a LEFT JOIN t b ON a.id = b.id + 100",
    "SELECT a.id FROM t a FULL OUTER JOIN (SELECT 7 AS id) b ON a.id = b.id",
    "SELECT (SELECT max(id) FROM t) FROM t WHERE EXISTS (SELECT 1 FROM t)",
    "WITH w AS (SELECT id % 2 AS k FROM t) SELECT k, count(*) FROM w GROUP BY ROLLUP (k)",
    "SELECT * FROM dab.commits",
    "SELECT table_name, column_name, is_nullable FROM information_schema.columns",
];

#[tokio::test]
async fn four_ways_to_a_schema_give_the_same_bytes_for_every_query() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 20).await;
    let (mut raw, mut stock) = (node.raw().await, node.stock().await);
    for sql in QUERIES {
        let info = info(&mut raw, sql)
            .await
            .unwrap_or_else(|status| panic!("{sql}: {status}"));
        let schema = raw.get_schema(by_user(statement(sql))).await.unwrap().into_inner();
        assert_eq!(schema.schema, info.schema, "GetSchema: {sql}");
        let prepared = stock.prepare(sql.to_owned(), None).await.unwrap();
        let announced = Schema::try_from(SchemaResult {
            schema: info.schema.clone(),
        })
        .unwrap();
        assert_eq!(prepared.dataset_schema().unwrap(), &announced, "prepare: {sql}");
        let messages = fetch(&mut raw, ticket(&info))
            .await
            .unwrap_or_else(|status| panic!("{sql}: {status}"));
        let flatbuffer = &messages[0].data_header;
        assert_eq!(&info.schema[8..8 + flatbuffer.len()], &flatbuffer[..], "DoGet: {sql}");
        let batches = client.query(sql).await.unwrap().collect().await.unwrap();
        assert!(
            batches.iter().all(|batch| batch.schema_ref().as_ref() == &announced),
            "batches: {sql}"
        );
    }
}

#[tokio::test]
async fn statements_that_write_are_executed_once_however_they_come() {
    let node = Node::start().await;
    let (mut raw, client) = (node.raw().await, node.client().await);
    // the way of ADBC's cursor.execute(): GetFlightInfo, then DoGet, perhaps twice
    let created = info(&mut raw, "CREATE TABLE t (id BIGINT, label VARCHAR)")
        .await
        .unwrap();
    fetch(&mut raw, ticket(&created)).await.unwrap();
    let inserted = info(&mut raw, "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        .await
        .unwrap();
    assert_eq!(inserted.total_records, 1);
    for _ in 0..2 {
        let messages = fetch(&mut raw, ticket(&inserted)).await.unwrap();
        let batches = arrow_flight::utils::flight_data_to_batches(&messages).unwrap();
        assert_eq!(
            batches[0]
                .column_by_name("count")
                .unwrap()
                .as_primitive::<Int64Type>()
                .value(0),
            3
        );
    }
    let StatementMetadata::Update(receipt) = serde_json::from_slice(&inserted.app_metadata).unwrap() else {
        panic!("not an update")
    };
    assert_eq!((receipt.rows, receipt.committed.as_ref().unwrap().version), (3, 1));
    // the proof travels with the answer and holds without the node
    let proof = Receipt::parse(receipt.proof.unwrap().as_bytes()).unwrap();
    let verified = proof
        .verify(&dab_proof::files::read_trust(&node.dir().join("trust")).unwrap())
        .unwrap();
    assert_eq!(verified.leaf.leaf().sequence, 1);
    // GetSchema executes nothing
    let schema = raw
        .get_schema(by_user(statement("INSERT INTO t VALUES (9, 'z')")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(Schema::try_from(schema).unwrap().field(0).name(), "count");
    // DoPut
    let receipt = client
        .update("INSERT INTO t SELECT id + 10, label FROM t")
        .await
        .unwrap();
    assert_eq!((receipt.rows, receipt.committed.unwrap().version), (3, 2));
    assert_eq!(number(&client, "SELECT count(*) FROM t").await, 6);
    assert_eq!(versions(&client, "t").await, 3);
    let Answer::Done(dropped) = client.execute("DROP TABLE t").await.unwrap() else {
        panic!("rows of a drop")
    };
    assert!(dropped.message.contains('t'), "{}", dropped.message);
}

#[tokio::test]
async fn failures_have_the_code_and_the_words_that_help() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 3).await;
    for (sql, code, word) in [
        ("SELEC 1", Code::InvalidArgument, "SELEC"),
        ("SELECT missing FROM t", Code::InvalidArgument, "missing"),
        ("SELECT * FROM no_such_table", Code::NotFound, "no_such_table"),
        ("CREATE TABLE t (a INT)", Code::AlreadyExists, "t"),
        ("DELETE FROM t", Code::Unimplemented, "DELETE"),
        ("UPDATE t SET id = 1", Code::Unimplemented, "UPDATE"),
        ("SELECT * FROM t WHERE id = ?", Code::InvalidArgument, "parameter"),
        ("SELECT 1; SELECT 2", Code::InvalidArgument, ""),
        ("SELECT * FROM t VERSION AS OF 99", Code::NotFound, "99"),
    ] {
        let Error::Refused { status } = client.execute(sql).await.unwrap_err() else {
            panic!("{sql}")
        };
        assert_eq!(status.code(), code, "{sql}: {status}");
        assert!(
            status.message().to_lowercase().contains(&word.to_lowercase()),
            "{sql}: {status}"
        );
    }
    let Error::Refused { status } = client.update("SELECT 1").await.unwrap_err() else {
        panic!("a query as update")
    };
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        number(&client, "SELECT count(*) FROM t").await,
        3,
        "the node lives and the table is whole"
    );
}

#[tokio::test]
async fn what_is_no_statement_is_refused_by_its_name() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let in_transaction = CommandStatementQuery {
        query: "SELECT 1".into(),
        transaction_id: Some("x".into()),
    };
    let status = raw
        .get_flight_info(by_user(descriptor(&in_transaction)))
        .await
        .unwrap_err();
    assert!(
        status.code() == Code::InvalidArgument && status.message().contains("transaction"),
        "{status}"
    );
    let path = FlightDescriptor::new_path(vec!["t".into()]);
    assert_eq!(
        raw.get_flight_info(by_user(path)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let update = descriptor(&CommandStatementUpdate {
        query: "SELECT 1".into(),
        transaction_id: None,
    });
    assert_eq!(
        raw.get_flight_info(by_user(update)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let unknown = arrow_flight::sql::Any {
        type_url: "type.googleapis.com/no.such.Command".into(),
        value: vec![].into(),
    };
    let unknown = FlightDescriptor::new_cmd(unknown.encode_to_vec());
    let status = raw.get_flight_info(by_user(unknown)).await.unwrap_err();
    assert!(
        status.code() == Code::Unimplemented && status.message().contains("no.such.Command"),
        "{status}"
    );
    let garbage = FlightDescriptor::new_cmd(b"\xff\xff\xff".to_vec());
    assert_eq!(
        raw.get_flight_info(by_user(garbage)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(
        raw.poll_flight_info(by_user(statement("SELECT 1")))
            .await
            .unwrap_err()
            .code(),
        Code::Unimplemented
    );
}

#[tokio::test]
async fn a_query_that_fails_midway_is_an_error_and_a_whole_one_tells_its_rows_in_a_trailer() {
    let node = Node::start().await;
    let client = node.client().await;
    make_table(&client, "t", 50_000).await;
    let rows = client.query("SELECT 100 / (id - 49000) FROM t").await.unwrap();
    let failed = rows.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(
        matches!(&failed, Error::Refused { status } if status.code() == Code::InvalidArgument),
        "{failed}"
    );

    let mut raw = node.raw().await;
    let info = info(&mut raw, "SELECT * FROM t").await.unwrap();
    let mut stream = raw.do_get(by_user(ticket(&info))).await.unwrap().into_inner();
    while stream.message().await.unwrap().is_some() {}
    let trailers = stream.trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get("x-dab-rows").unwrap(), "50000");
}

#[tokio::test]
async fn a_long_query_is_kept_alive_and_ends_when_it_is_cancelled() {
    let node = Node::start_with(|limits| limits.keep_alive_interval = Duration::from_millis(100)).await;
    let client = node.client().await;
    let sql = endless(&client).await;
    let mut raw = node.raw().await;
    for legacy in [false, true] {
        let info = info(&mut raw, &sql).await.unwrap();
        let mut stream = raw.do_get(by_user(ticket(&info))).await.unwrap().into_inner();
        for _ in 0..4 {
            stream.message().await.unwrap().unwrap();
        }
        let start = Instant::now();
        let mut other = node.raw().await;
        assert!(cancel(&mut other, &info, legacy).await, "cancelled");
        let status = stream.try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(status.code(), Code::Cancelled);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(!cancel(&mut other, &info, legacy).await, "nothing left to cancel");
        assert_eq!(fetch(&mut raw, ticket(&info)).await.unwrap_err().code(), Code::NotFound);
    }
}

async fn cancel(
    raw: &mut arrow_flight::flight_service_client::FlightServiceClient<tonic::transport::Channel>,
    info: &FlightInfo,
    legacy: bool,
) -> bool {
    let action = match legacy {
        false => Action::new(
            "CancelFlightInfo",
            CancelFlightInfoRequest::new(info.clone()).encode_to_vec(),
        ),
        true => {
            let request = ActionCancelQueryRequest {
                info: info.encode_to_vec().into(),
            };
            Action::new("CancelQuery", request.as_any().encode_to_vec())
        }
    };
    let body = raw
        .do_action(by_user(action))
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap()
        .body;
    match legacy {
        false => CancelFlightInfoResult::decode(body).unwrap().status() == CancelStatus::Cancelled,
        true => {
            let any = arrow_flight::sql::Any::decode(body).unwrap();
            any.unpack::<arrow_flight::sql::ActionCancelQueryResult>()
                .unwrap()
                .unwrap()
                .result
                == 1
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_query() {
    let node = Node::start_with(|limits| limits.keep_alive_interval = Duration::from_millis(50)).await;
    let client = node.client().await;
    let sql = endless(&client).await;
    let mut rows = client.query(&sql).await.unwrap();
    rows.next().await.unwrap().unwrap();
    let busy = node.engine.memory_reserved_bytes();
    drop(rows);
    let start = Instant::now();
    while node.engine.memory_reserved_bytes() > 0 {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{busy} bytes before, {} now",
            node.engine.memory_reserved_bytes()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_announced_schema_is_an_encapsulated_message() {
    let node = Node::start().await;
    let info = info(&mut node.raw().await, "SELECT 1 AS one").await.unwrap();
    assert_eq!(
        &info.schema[..4],
        [0xff; 4],
        "readers of ADBC look for the continuation marker"
    );
    let schema = Schema::try_from(IpcMessage(info.schema.clone())).unwrap();
    assert_eq!(schema.field(0).metadata()["ARROW:FLIGHT:SQL:TYPE_NAME"], "BIGINT");
    assert!(
        info.endpoint[0].location.is_empty(),
        "read from where it was asked, behind any proxy"
    );
    assert!(info.endpoint[0].expiration_time.is_some());
}
