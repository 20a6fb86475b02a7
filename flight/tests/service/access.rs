//! Who may call: credentials, sessions, and what those without get.

use arrow_flight::{
    Action, Criteria, Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket,
    sql::{
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, CommandGetCatalogs,
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
        CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
        CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
        CommandStatementSubstraitPlan, CommandStatementUpdate, ProstMessageExt, TicketStatementQuery,
    },
};
use bytes::Bytes;
use dab_flight::{
    Client, Error,
    client::{ConnectOptions, Credentials},
};
use futures::stream;
use prost::Message;
use tonic::{Code, Request, Status};

use crate::harness::*;

/// Every command of Flight SQL, and some that are none.
fn commands() -> Vec<Bytes> {
    fn any(command: impl ProstMessageExt) -> Bytes {
        command.as_any().encode_to_vec().into()
    }
    let query = || "SELECT 1".to_owned();
    vec![
        any(CommandStatementQuery {
            query: query(),
            ..Default::default()
        }),
        any(CommandStatementUpdate {
            query: query(),
            ..Default::default()
        }),
        any(CommandStatementSubstraitPlan::default()),
        any(CommandStatementIngest {
            table: "t".into(),
            ..Default::default()
        }),
        any(CommandPreparedStatementQuery::default()),
        any(CommandPreparedStatementUpdate::default()),
        any(CommandGetCatalogs {}),
        any(CommandGetDbSchemas::default()),
        any(CommandGetTables::default()),
        any(CommandGetTableTypes {}),
        any(CommandGetSqlInfo::default()),
        any(CommandGetXdbcTypeInfo::default()),
        any(CommandGetPrimaryKeys::default()),
        any(CommandGetExportedKeys::default()),
        any(CommandGetImportedKeys::default()),
        any(CommandGetCrossReference::default()),
        any(TicketStatementQuery::default()),
        any(ActionCreatePreparedStatementRequest {
            query: query(),
            ..Default::default()
        }),
        any(ActionClosePreparedStatementRequest::default()),
        Bytes::from_static(b"not a protobuf message \xff\xff\xff\xff"),
        Bytes::new(),
    ]
}

const ACTIONS: [&str; 14] = [
    "CreatePreparedStatement",
    "ClosePreparedStatement",
    "CreatePreparedSubstraitPlan",
    "BeginTransaction",
    "EndTransaction",
    "BeginSavepoint",
    "EndSavepoint",
    "CancelQuery",
    "CancelFlightInfo",
    "RenewFlightEndpoint",
    "SetSessionOptions",
    "GetSessionOptions",
    "CloseSession",
    "NoSuchAction",
];

#[tokio::test]
async fn without_credentials_every_call_with_every_command_is_refused_alike() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let mut messages = std::collections::BTreeSet::new();
    let mut count = 0;
    let mut refused = |what: String, result: Result<(), Status>| {
        let status = result.expect_err(&what);
        assert_eq!(status.code(), Code::Unauthenticated, "{what}: {status}");
        messages.insert(status.message().to_owned());
        count += 1;
    };
    for command in commands() {
        let descriptor = FlightDescriptor::new_cmd(command.clone());
        let what = format!("{descriptor}");
        refused(
            format!("GetFlightInfo {what}"),
            raw.get_flight_info(descriptor.clone()).await.map(drop),
        );
        refused(
            format!("GetSchema {what}"),
            raw.get_schema(descriptor.clone()).await.map(drop),
        );
        refused(
            format!("PollFlightInfo {what}"),
            raw.poll_flight_info(descriptor.clone()).await.map(drop),
        );
        refused(
            format!("DoGet {what}"),
            raw.do_get(Ticket::new(command.clone())).await.map(drop),
        );
        let put = FlightData::new().with_descriptor(descriptor);
        refused(
            format!("DoPut {what}"),
            raw.do_put(stream::iter([put.clone()])).await.map(drop),
        );
        refused(
            format!("DoExchange {what}"),
            raw.do_exchange(stream::iter([put])).await.map(drop),
        );
        for action in ACTIONS {
            refused(
                format!("{action} {what}"),
                raw.do_action(Action::new(action, command.clone())).await.map(drop),
            );
        }
    }
    refused("ListActions".into(), raw.list_actions(Empty {}).await.map(drop));
    refused(
        "ListFlights".into(),
        raw.list_flights(Criteria::default()).await.map(drop),
    );
    refused(
        "Handshake".into(),
        raw.handshake(stream::iter([HandshakeRequest::default()]))
            .await
            .map(drop),
    );
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(count > 400, "{count} combinations");
}

#[tokio::test]
async fn handshake_needs_no_message_and_no_padding_and_answers_in_the_headers() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let header = basic(USER, PASSWORD);
    let unpadded = header.to_str().unwrap().trim_end_matches('=').to_owned();
    assert_ne!(unpadded, header.to_str().unwrap());
    // as Go does it
    let mut request = Request::new(stream::empty());
    request
        .metadata_mut()
        .insert("authorization", unpadded.parse().unwrap());
    let response = raw.handshake(request).await.unwrap();
    let bearer = response.metadata().get("authorization").unwrap().clone();
    assert!(bearer.to_str().unwrap().starts_with("Bearer "));
    let message = response.into_inner().message().await.unwrap().unwrap();
    assert_eq!(
        format!("Bearer {}", std::str::from_utf8(&message.payload).unwrap()),
        bearer.to_str().unwrap()
    );

    // as Java does it with a token
    let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
    request.metadata_mut().insert("authorization", bearer.clone());
    let again = raw.handshake(request).await.unwrap();
    assert_eq!(again.metadata().get("authorization").unwrap(), &bearer);
}

#[tokio::test]
async fn basic_and_bearer_are_accepted_on_every_call_until_the_session_closes() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    assert_eq!(info(&mut raw, "SELECT 1").await.unwrap().endpoint.len(), 1);

    let client = node.client().await;
    assert_eq!(number(&client, "SELECT 41 + 1").await, 42);
    let same_session = client.clone();
    client.close().await.unwrap();
    let refused = same_session.query("SELECT 1").await.unwrap_err();
    assert!(
        matches!(&refused, Error::Refused { status } if status.code() == Code::Unauthenticated),
        "{refused}"
    );
}

#[tokio::test]
async fn wrong_passwords_tokens_and_authorities_are_told_apart_from_a_node_that_is_away() {
    let node = Node::start().await;
    for credentials in [
        Credentials::Password {
            user: USER.into(),
            password: "wrong".into(),
        },
        Credentials::Password {
            user: "nobody".into(),
            password: PASSWORD.into(),
        },
        Credentials::Token(format!("dab_ann_{}", "0".repeat(64))),
        Credentials::Token("dabs_x".into()),
    ] {
        let options = ConnectOptions {
            credentials,
            ..node.options(USER, PASSWORD)
        };
        let error = Client::connect(&options).await.unwrap_err();
        assert!(
            matches!(&error, Error::Refused { status } if status.code() == Code::Unauthenticated),
            "{error}"
        );
    }
    let other = Node::start().await;
    let options = ConnectOptions {
        ca_pem: Some(other.ca_pem.clone()),
        ..node.options(USER, PASSWORD)
    };
    let error = Client::connect(&options).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable { .. }) && error.to_string().contains("certificate"),
        "{error}"
    );
}

#[tokio::test]
async fn tickets_and_handles_of_another_user_are_refused() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let info = info(&mut raw, "SELECT 1").await.unwrap();
    let request = ActionCreatePreparedStatementRequest {
        query: "SELECT 1".into(),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
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
    let any = arrow_flight::sql::Any::decode(body).unwrap();
    let prepared: arrow_flight::sql::ActionCreatePreparedStatementResult = any.unpack().unwrap().unwrap();
    let handle = CommandPreparedStatementQuery {
        prepared_statement_handle: prepared.prepared_statement_handle,
    };

    let mut request = Request::new(ticket(&info));
    request
        .metadata_mut()
        .insert("authorization", basic(OTHER_USER, PASSWORD));
    assert_eq!(raw.do_get(request).await.unwrap_err().code(), Code::PermissionDenied);
    let mut request = Request::new(descriptor(&handle));
    request
        .metadata_mut()
        .insert("authorization", basic(OTHER_USER, PASSWORD));
    assert_eq!(raw.get_flight_info(request).await.unwrap_err().code(), Code::NotFound);

    // its owner's still work
    assert_eq!(
        raw.get_flight_info(by_user(descriptor(&handle)))
            .await
            .unwrap()
            .into_inner()
            .endpoint
            .len(),
        1
    );
    fetch(&mut raw, ticket(&info)).await.unwrap();
}
