//! Catalogs, schemas, tables, types and what the server says of itself.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Schema, UInt32Type},
};
use arrow_flight::{
    Action, Empty, SchemaResult,
    sql::{
        ActionBeginTransactionRequest, CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas,
        CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
        CommandGetTables, CommandGetXdbcTypeInfo, ProstMessageExt,
    },
};
use dab_flight::client::ListedTable;
use futures::TryStreamExt;
use prost::Message;
use tonic::{Code, Status};

use crate::harness::*;

type Raw = arrow_flight::flight_service_client::FlightServiceClient<tonic::transport::Channel>;

/// The answer to a command, after checking that GetFlightInfo, GetSchema and DoGet agree about its schema.
async fn ask(raw: &mut Raw, command: &impl ProstMessageExt) -> Result<RecordBatch, Status> {
    let info = raw.get_flight_info(by_user(descriptor(command))).await?.into_inner();
    let schema = raw.get_schema(by_user(descriptor(command))).await?.into_inner();
    assert_eq!(schema.schema, info.schema);
    let messages = fetch(raw, ticket(&info)).await?;
    assert_eq!(
        &info.schema[8..8 + messages[0].data_header.len()],
        &messages[0].data_header[..]
    );
    let schema = Schema::try_from(SchemaResult { schema: info.schema }).unwrap();
    let batches = arrow_flight::utils::flight_data_to_batches(&messages).unwrap();
    Ok(arrow::compute::concat_batches(&schema.into(), &batches).unwrap())
}

async fn tables(raw: &mut Raw, command: CommandGetTables) -> Vec<String> {
    let batch = ask(raw, &command).await.unwrap();
    let names = ["db_schema_name", "table_name", "table_type"].map(|column| texts(&batch, column));
    (0..batch.num_rows())
        .map(|row| format!("{}.{} {}", names[0][row], names[1][row], names[2][row]))
        .collect()
}

#[tokio::test]
async fn tables_are_listed_by_pattern_type_and_schema() {
    let node = Node::start().await;
    let client = node.client().await;
    for name in ["orders", "order_lines", "customers"] {
        make_table(&client, name, 1).await;
    }
    let mut raw = node.raw().await;
    let all = tables(&mut raw, CommandGetTables::default()).await;
    for expected in [
        "public.orders TABLE",
        "dab.commits SYSTEM TABLE",
        "information_schema.tables SYSTEM TABLE",
    ] {
        assert!(all.contains(&expected.to_owned()), "{expected} in {all:?}");
    }
    let pattern = |pattern: &str| CommandGetTables {
        table_name_filter_pattern: Some(pattern.into()),
        ..Default::default()
    };
    assert_eq!(
        tables(&mut raw, pattern("order%")).await,
        ["public.order_lines TABLE", "public.orders TABLE"]
    );
    assert_eq!(
        tables(&mut raw, pattern("order_")).await,
        ["public.orders TABLE"],
        "_ is any one character"
    );
    assert_eq!(
        tables(&mut raw, pattern("order\\_%")).await,
        ["public.order_lines TABLE"]
    );
    for kind in ["TABLE", "BASE TABLE", "base table"] {
        let command = CommandGetTables {
            table_types: vec![kind.into()],
            ..Default::default()
        };
        assert_eq!(tables(&mut raw, command).await.len(), 3, "{kind}");
    }
    let command = CommandGetTables {
        db_schema_filter_pattern: Some("dab".into()),
        ..Default::default()
    };
    assert!(tables(&mut raw, command).await.len() >= 3);
    let named = |catalog: &str| CommandGetTables {
        catalog: Some(catalog.into()),
        ..pattern("orders")
    };
    assert_eq!(tables(&mut raw, named("lake")).await.len(), 1);
    assert_eq!(
        tables(&mut raw, named("other")).await.len() + tables(&mut raw, named("")).await.len(),
        0
    );

    let listed = client.tables(Some("cust%")).await.unwrap();
    let [catalog, schema, name, kind] = ["lake", "public", "customers", "TABLE"].map(str::to_owned);
    assert_eq!(
        listed,
        [ListedTable {
            catalog,
            schema,
            name,
            kind
        }]
    );
}

#[tokio::test]
async fn a_tables_columns_are_described_as_its_rows_will_be() {
    let node = Node::start().await;
    let client = node.client().await;
    client
        .update("CREATE TABLE t (id BIGINT NOT NULL, label VARCHAR, price DECIMAL(12, 2), at TIMESTAMP)")
        .await
        .unwrap();
    let mut raw = node.raw().await;
    let plain = ask(&mut raw, &CommandGetTables::default()).await.unwrap();
    assert_eq!(plain.num_columns(), 4, "no column for schemas unless asked for");
    let command = CommandGetTables {
        table_name_filter_pattern: Some("t".into()),
        db_schema_filter_pattern: Some("public".into()),
        include_schema: true,
        ..Default::default()
    };
    let batch = ask(&mut raw, &command).await.unwrap();
    let bytes = batch
        .column_by_name("table_schema")
        .unwrap()
        .as_binary::<i32>()
        .value(0)
        .to_vec();
    let described = Schema::try_from(SchemaResult { schema: bytes.into() }).unwrap();
    let delivered = client.query("SELECT * FROM t").await.unwrap().schema();
    for (described, delivered) in described.fields().iter().zip(delivered.fields()) {
        assert_eq!(
            (described.name(), described.data_type()),
            (delivered.name(), delivered.data_type())
        );
        assert_eq!(described.is_nullable(), delivered.is_nullable());
        assert_eq!(described.metadata()["ARROW:FLIGHT:SQL:TABLE_NAME"], "t");
        assert_eq!(described.metadata()["ARROW:FLIGHT:SQL:DB_SCHEMA_NAME"], "public");
        assert!(described.metadata().contains_key("ARROW:FLIGHT:SQL:TYPE_NAME"));
    }
    assert!(!described.field(0).is_nullable() && described.field(1).is_nullable());
    let all = ask(
        &mut raw,
        &CommandGetTables {
            include_schema: true,
            ..Default::default()
        },
    )
    .await
    .unwrap();
    assert_eq!(all.num_rows(), plain.num_rows(), "every table can be described");
}

#[tokio::test]
async fn catalogs_schemas_types_and_keys_have_answers() {
    let node = Node::start().await;
    make_table(&node.client().await, "t", 1).await;
    let mut raw = node.raw().await;
    let catalogs = ask(&mut raw, &CommandGetCatalogs {}).await.unwrap();
    assert_eq!(texts(&catalogs, "catalog_name"), ["lake"]);
    let schemas = ask(&mut raw, &CommandGetDbSchemas::default()).await.unwrap();
    for schema in ["public", "dab", "information_schema"] {
        assert!(
            texts(&schemas, "db_schema_name").contains(&schema.to_owned()),
            "{schema}"
        );
    }
    let some = CommandGetDbSchemas {
        db_schema_filter_pattern: Some("pub%".into()),
        catalog: Some("lake".into()),
    };
    assert_eq!(
        texts(&ask(&mut raw, &some).await.unwrap(), "db_schema_name"),
        ["public"]
    );
    let types = ask(&mut raw, &CommandGetTableTypes {}).await.unwrap();
    assert_eq!(texts(&types, "table_type"), ["SYSTEM TABLE", "TABLE", "VIEW"]);
    assert!(
        ask(&mut raw, &CommandGetXdbcTypeInfo::default())
            .await
            .unwrap()
            .num_rows()
            > 10
    );

    let table = || "t".to_owned();
    let primary = CommandGetPrimaryKeys {
        table: table(),
        ..Default::default()
    };
    let keys = ask(&mut raw, &primary).await.unwrap();
    assert_eq!((keys.num_rows(), keys.num_columns()), (0, 6));
    let missing = CommandGetPrimaryKeys {
        table: "none".into(),
        ..Default::default()
    };
    assert_eq!(ask(&mut raw, &missing).await.unwrap_err().code(), Code::NotFound);
    let exported = ask(
        &mut raw,
        &CommandGetExportedKeys {
            table: table(),
            ..Default::default()
        },
    )
    .await
    .unwrap();
    let imported = ask(
        &mut raw,
        &CommandGetImportedKeys {
            table: table(),
            ..Default::default()
        },
    )
    .await
    .unwrap();
    let cross = CommandGetCrossReference {
        pk_table: table(),
        fk_table: table(),
        ..Default::default()
    };
    for keys in [exported, imported, ask(&mut raw, &cross).await.unwrap()] {
        assert_eq!((keys.num_rows(), keys.num_columns()), (0, 13));
    }
}

#[tokio::test]
async fn capabilities_are_told_and_transactions_are_not_among_them() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let all = ask(&mut raw, &CommandGetSqlInfo { info: vec![] }).await.unwrap();
    assert!(all.num_rows() > 80);
    assert!(
        all.column(0)
            .as_primitive::<UInt32Type>()
            .values()
            .iter()
            .all(|code| *code < 10_000)
    );
    assert_eq!(
        ask(&mut raw, &CommandGetSqlInfo { info: vec![8, 4711] })
            .await
            .unwrap()
            .num_rows(),
        1
    );
    let begin = Action::new(
        "BeginTransaction",
        ActionBeginTransactionRequest {}.as_any().encode_to_vec(),
    );
    let refused = raw.do_action(by_user(begin)).await.unwrap_err();
    assert!(
        refused.code() == Code::Unimplemented && refused.message().contains("transactions"),
        "{refused}"
    );
    let unknown = raw.do_action(by_user(Action::new("Frobnicate", ""))).await.unwrap_err();
    assert!(
        unknown.code() == Code::Unimplemented && unknown.message().contains("Frobnicate"),
        "{unknown}"
    );
    let offered: Vec<_> = raw
        .list_actions(by_user(Empty {}))
        .await
        .unwrap()
        .into_inner()
        .try_collect()
        .await
        .unwrap();
    let names: Vec<_> = offered.iter().map(|action| action.r#type.as_str()).collect();
    assert!(
        names.contains(&"CreatePreparedStatement") && names.contains(&"CancelFlightInfo"),
        "{names:?}"
    );
    assert!(!names.contains(&"BeginTransaction"), "{names:?}");
}
