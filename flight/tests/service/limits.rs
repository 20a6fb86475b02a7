//! Limits of the service, met and passed.

use std::time::Duration;

use arrow_flight::{Action, sql::ProstMessageExt};
use dab_flight::Limits;
use prost::Message;
use tonic::Code;

use crate::harness::*;

fn with_header(bytes: usize) -> tonic::Request<arrow_flight::FlightDescriptor> {
    let mut request = by_user(statement("SELECT 1"));
    request
        .metadata_mut()
        .insert("x-unknown-url-parameter", "v".repeat(bytes).parse().unwrap());
    request
}

#[tokio::test]
async fn long_headers_pass_up_to_their_limit() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let limit = Limits::default().header_list_bytes_max as usize;
    raw.get_flight_info(with_header(limit - 2048)).await.unwrap();
    raw.get_flight_info(with_header(limit + 1)).await.unwrap_err();
    raw.get_flight_info(with_header(10)).await.unwrap();
}

#[tokio::test]
async fn calls_other_than_uploads_are_held_to_small_messages() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    let limit = Limits::default().request_bytes_max;
    let long = format!("SELECT 1 -- {}", "x".repeat(limit));
    let status = raw.get_flight_info(by_user(statement(&long))).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    let sql = format!("SELECT 1 -- {}", "x".repeat(900 << 10));
    raw.get_flight_info(by_user(statement(&sql))).await.unwrap();
}

#[tokio::test]
async fn a_statement_whose_time_has_passed_is_gone_and_says_so() {
    let node = Node::start_with(|limits| limits.statement_ttl = Duration::from_millis(1100)).await;
    let mut raw = node.raw().await;
    let info = info(&mut raw, "SELECT 1").await.unwrap();
    fetch(&mut raw, ticket(&info)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let status = fetch(&mut raw, ticket(&info)).await.unwrap_err();
    assert!(
        status.code() == Code::NotFound && status.message().contains("again"),
        "{status}"
    );
}

#[tokio::test]
async fn the_oldest_of_too_many_statements_goes_first() {
    let node = Node::start_with(|limits| limits.statements_per_user_max = 2).await;
    let mut raw = node.raw().await;
    let mut infos = Vec::new();
    for _ in 0..3 {
        infos.push(info(&mut raw, "SELECT 1").await.unwrap());
    }
    assert_eq!(
        fetch(&mut raw, ticket(&infos[0])).await.unwrap_err().code(),
        Code::NotFound
    );
    fetch(&mut raw, ticket(&infos[1])).await.unwrap();
    fetch(&mut raw, ticket(&infos[2])).await.unwrap();
}

#[tokio::test]
async fn garbage_in_actions_is_an_error_of_the_client() {
    let node = Node::start().await;
    let mut raw = node.raw().await;
    for action in [
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "CancelQuery",
        "CancelFlightInfo",
        "SetSessionOptions",
    ] {
        for body in [&b"\xff\xff\xff\xff"[..], b"\x0a\xff\xff\xff\xff\x0f"] {
            let status = raw
                .do_action(by_user(Action::new(action, body.to_vec())))
                .await
                .unwrap_err();
            let expected = matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition);
            assert!(expected, "{action}: {status}");
        }
    }
    let wrong = arrow_flight::sql::CommandGetCatalogs {}.as_any().encode_to_vec();
    let status = raw
        .do_action(by_user(Action::new("CreatePreparedStatement", wrong)))
        .await
        .unwrap_err();
    assert!(
        status.message().contains("ActionCreatePreparedStatementRequest"),
        "{status}"
    );
}
