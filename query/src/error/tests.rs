use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::message::without_paths;
use super::*;

#[test]
fn our_own_error_survives_the_trip_through_datafusion() {
    let own = || {
        DataFusionError::from(Error::Timeout {
            limit: Duration::from_secs(3),
        })
    };
    let through_arrow = ArrowError::ExternalError(Box::new(own()));
    for wrapped in [
        own(),
        own().context("while sorting"),
        DataFusionError::Shared(Arc::new(own().context("in a partition"))),
        DataFusionError::Collection(vec![own()]),
        DataFusionError::ArrowError(Box::new(through_arrow), None).context("reading"),
    ] {
        let text = format!("{wrapped:?}");
        assert!(matches!(Error::from(wrapped), Error::Timeout { .. }), "{text}");
    }
}

#[test]
fn messages_say_nothing_of_the_machinery() {
    let cases: [(DataFusionError, ErrorKind, &str); 6] = [
        (
            DataFusionError::Plan("Invalid function 'sume'.\nDid you mean 'sum'?".into()),
            ErrorKind::InvalidArgument,
            "invalid function 'sume'.\nDid you mean 'sum'?",
        ),
        (
            DataFusionError::from(ParserError::ParserError(
                "Expected: an expression, found: FROM at Line: 1, Column: 8".into(),
            )),
            ErrorKind::InvalidArgument,
            "syntax error: expected: an expression, found: FROM at Line: 1, Column: 8",
        ),
        (
            DataFusionError::Internal("Physical plan does not support".into()),
            ErrorKind::Internal,
            "internal error: physical plan does not support",
        ),
        (
            DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None),
            ErrorKind::InvalidArgument,
            "division by zero",
        ),
        (
            DataFusionError::ResourcesExhausted(
                "Failed to allocate additional 10.0 MB for HashJoinInput[0] with 0.0 B already allocated for this \
                 reservation - 1.0 MB remain available for the total memory pool"
                    .into(),
            ),
            ErrorKind::ResourceExhausted,
            "memory is limited to the node's setting: failed to allocate additional 10.0 MB for HashJoinInput[0] \
             with 0.0 B already allocated for this reservation",
        ),
        (
            DataFusionError::NotImplemented("FETCH clause is not supported yet".into()),
            ErrorKind::Unsupported,
            "not supported: FETCH clause is not supported yet",
        ),
    ];
    for (error, kind, message) in cases {
        let error = Error::from(error);
        assert_eq!(error.to_string(), message);
        assert_eq!(error.kind(), kind, "{message}");
    }
}

#[test]
fn a_column_in_another_case_is_pointed_out_without_naming_settings() {
    let error = SchemaError::FieldNotFound {
        field: Box::new(Column::from_name("orderkey")),
        valid_fields: vec![Column::from_name("OrderKey"), Column::from_name("total")],
    };
    let message = Error::from(DataFusionError::SchemaError(Box::new(error), Box::new(None))).to_string();
    assert!(message.ends_with("write \"OrderKey\""), "{message}");
    assert!(!message.contains("datafusion"), "{message}");
}

#[test]
fn paths_of_the_nodes_disk_stay_on_the_node() {
    for (text, expected) in [
        (
            "Object at location /srv/dab/tables/t/_delta_log/00000000000000000003.json not found: No such file (os error 2)",
            "Object at location _delta_log/00000000000000000003.json not found: No such file (os error 2)",
        ),
        (
            "Unable to open file /srv/t/part-0.parquet: denied",
            "Unable to open file part-0.parquet: denied",
        ),
        (
            "\"/srv/my data/t/part-0.parquet\" is short",
            "\"part-0.parquet\" is short",
        ),
        ("at file:///srv/dab/t/a.parquet, retried", "at a.parquet, retried"),
        (
            "part-0.parquet/x and 1/2, 3 / 4, dab://t/a stay",
            "part-0.parquet/x and 1/2, 3 / 4, dab://t/a stay",
        ),
        ("/", "/"),
        ("", ""),
    ] {
        assert_eq!(without_paths(text), expected);
    }
    let io = StorageError::Io {
        path: "/srv/dab/tables/t/part-0.parquet".into(),
        source: std::io::Error::other("denied"),
    };
    assert_eq!(Error::from(io).to_string(), "part-0.parquet: denied");
    let store = DataFusionError::ObjectStore(Box::new(object_store::Error::NotFound {
        path: "/srv/dab/tables/t/part-0.parquet".into(),
        source: "no such file /srv/dab/tables/t/part-0.parquet".into(),
    }));
    assert!(!Error::from(store).to_string().contains("srv"));
}
