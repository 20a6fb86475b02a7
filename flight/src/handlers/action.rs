//! Actions.

use std::{sync::Arc, time::SystemTime};

use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    sql::{
        ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
        ActionCreatePreparedStatementRequest, Any, ProstMessageExt, TicketStatementQuery,
    },
};
use bytes::Bytes;
use dab_ledger::approval::apply_change;
use dab_proof::{epoch::EpochNote, leaf::Subject};
use prost::Message;
use tonic::{Code, Status};

use super::{prepared, session};
use crate::{
    add::{AddRequest, SubjectHead, add},
    auth::Caller,
    messages::{CancelResult, SetSessionOptionsRequest},
    receipt_metadata::{self, BoundReceipt},
    service::Service,
    status,
};

/// The actions that are offered, and what they do.
const OFFERED: [(&str, &str); 10] = [
    (
        "CreatePreparedStatement",
        "Prepares a statement. Takes ActionCreatePreparedStatementRequest, gives ActionCreatePreparedStatementResult.",
    ),
    (
        "ClosePreparedStatement",
        "Closes a prepared statement. Takes ActionClosePreparedStatementRequest, gives nothing.",
    ),
    (
        "CancelFlightInfo",
        "Ends a query. Takes CancelFlightInfoRequest, gives CancelFlightInfoResult.",
    ),
    (
        "CancelQuery",
        "Ends a query, the older form. Takes ActionCancelQueryRequest, gives ActionCancelQueryResult.",
    ),
    (
        "SetSessionOptions",
        "Sets options of the session. Takes SetSessionOptionsRequest, gives SetSessionOptionsResult.",
    ),
    (
        "GetSessionOptions",
        "Reads the options of the session. Takes GetSessionOptionsRequest, gives GetSessionOptionsResult.",
    ),
    (
        "CloseSession",
        "Ends the session. Takes CloseSessionRequest, gives CloseSessionResult.",
    ),
    (
        "Notarize",
        "Binds data that is not DAB's. Takes what POST /add takes, gives its place and the text of a .tlog-proof as JSON.",
    ),
    (
        "Head",
        "Names the last leaf of a subject. Takes the subject, gives the ledger's origin and the text of a .tlog-proof as JSON.",
    ),
    (
        "ChangeEpoch",
        "Changes the members or the writers of the ledger. Takes a draft that enough have signed, gives its leaf's place and \
         the text of a .tlog-proof as JSON.",
    ),
];

/// Actions of Flight SQL that are refused by name.
const REFUSED: [(&str, &str); 6] = [
    (
        "BeginTransaction",
        "there are no transactions on this node: each statement commits by itself",
    ),
    (
        "EndTransaction",
        "there are no transactions on this node: each statement commits by itself",
    ),
    ("BeginSavepoint", "there are no savepoints on this node"),
    ("EndSavepoint", "there are no savepoints on this node"),
    (
        "CreatePreparedSubstraitPlan",
        "substrait plans are not supported, send SQL",
    ),
    (
        "RenewFlightEndpoint",
        "endpoints are not renewed, execute the statement again",
    ),
];

/// Describes the actions that are offered.
pub(crate) fn list() -> Vec<ActionType> {
    let describe = |(name, text): &(&str, &str)| ActionType {
        r#type: (*name).into(),
        description: (*text).into(),
    };
    OFFERED.iter().map(describe).collect()
}

/// Performs an action; the bodies of its results.
pub(crate) async fn perform(service: &Arc<Service>, caller: &Caller, action: Action) -> Result<Vec<Bytes>, Status> {
    let body = action.body;
    match action.r#type.as_str() {
        "CreatePreparedStatement" => {
            let request: ActionCreatePreparedStatementRequest = unpack(body)?;
            let result = prepared::create(service, caller, request).await?;
            let any = Any {
                type_url: arrow_flight::sql::ActionCreatePreparedStatementResult::type_url().to_owned(),
                value: result.encode_to_vec().into(),
            };
            Ok(vec![any.encode_to_vec().into()])
        }
        "ClosePreparedStatement" => {
            let request: ActionClosePreparedStatementRequest = unpack(body)?;
            prepared::close(service, caller, &request)?;
            Ok(vec![])
        }
        "CancelFlightInfo" => {
            let request =
                CancelFlightInfoRequest::decode(body).map_err(status::malformed("CancelFlightInfoRequest"))?;
            let info = request
                .info
                .ok_or_else(|| Status::invalid_argument("a cancellation without a FlightInfo"))?;
            let status = match cancel(service, caller, &info)? {
                true => CancelStatus::Cancelled,
                false => CancelStatus::NotCancellable,
            };
            Ok(vec![CancelFlightInfoResult::new(status).encode_to_vec().into()])
        }
        "CancelQuery" => {
            let request: ActionCancelQueryRequest = unpack(body)?;
            let info = FlightInfo::decode(request.info).map_err(status::malformed("FlightInfo"))?;
            let result = match cancel(service, caller, &info)? {
                true => CancelResult::Cancelled,
                false => CancelResult::NotCancellable,
            };
            Ok(vec![
                ActionCancelQueryResult { result: result as i32 }
                    .as_any()
                    .encode_to_vec()
                    .into(),
            ])
        }
        "SetSessionOptions" => {
            let request =
                SetSessionOptionsRequest::decode(body).map_err(status::malformed("SetSessionOptionsRequest"))?;
            Ok(vec![session::set(caller, &request)?.encode_to_vec().into()])
        }
        "GetSessionOptions" => Ok(vec![session::get(caller)?.encode_to_vec().into()]),
        "Notarize" => Ok(vec![notarize(service, caller, &body).await?]),
        "Head" => Ok(vec![head(service, &body).await?]),
        "ChangeEpoch" => Ok(vec![change_epoch(service, caller, &body).await?]),
        "CloseSession" => Ok(vec![session::close(service, caller)?.encode_to_vec().into()]),
        other => match REFUSED.iter().find(|(name, _)| *name == other) {
            Some((_, reason)) => Err(Status::unimplemented(*reason)),
            None => Err(Status::unimplemented(format!(
                "there is no action {other:?}, ListActions names those there are"
            ))),
        },
    }
}

async fn notarize(service: &Service, caller: &Caller, body: &[u8]) -> Result<Bytes, Status> {
    let request = AddRequest::parse(body)?;
    let ledger = service.engine.lake().ledger();
    let receipt = add(ledger, caller, request, service.limits.add_wait_max).await?;
    let bound = BoundReceipt::new(&receipt, &service.certified().await);
    Ok(receipt_metadata::json(&bound).into())
}

/// What whoever signs the next leaf of a subject has to know; it is all public.
async fn head(service: &Service, body: &[u8]) -> Result<Bytes, Status> {
    let subject = std::str::from_utf8(body).map_err(|_| Status::invalid_argument("a subject is ASCII"))?;
    let subject: Subject = subject
        .parse()
        .map_err(|error: dab_proof::Error| Status::invalid_argument(error.to_string()))?;
    let reader = &service.engine.lake().ledger().reader;
    let unavailable = |error: dab_ledger::Error| Status::unavailable(error.to_string());
    let proof = match reader.head(&subject).await.map_err(unavailable)? {
        Some(head) => Some(reader.receipt(head.leaf_index).await.map_err(unavailable)?.to_text()),
        None => None,
    };
    let origin = reader.origin().to_owned();
    Ok(receipt_metadata::json(&SubjectHead { origin, proof }).into())
}

/// The signatures under the draft decide, and not who brings it.
async fn change_epoch(service: &Service, caller: &Caller, body: &[u8]) -> Result<Bytes, Status> {
    let change = EpochNote::parse(body).map_err(|error| Status::invalid_argument(format!("not a draft: {error}")))?;
    let ledger = service.engine.lake().ledger();
    let changed = apply_change(&*ledger.notary, &*ledger.reader, &ledger.writer, &change).await;
    let receipt = changed.map_err(|error| match error {
        dab_ledger::Error::Refused { .. } => Status::failed_precondition(error.to_string()),
        error => Status::unavailable(error.to_string()),
    })?;
    tracing::info!(user = %caller.user, leaf = receipt.index.0, "an epoch of the ledger has begun");
    let bound = BoundReceipt::new(&receipt, &service.certified().await);
    Ok(receipt_metadata::json(&bound).into())
}

/// Ends the statements that a FlightInfo names; whether there was one. Tickets of others are refused, expired ones are
/// nothing to cancel.
fn cancel(service: &Service, caller: &Caller, info: &FlightInfo) -> Result<bool, Status> {
    let mut cancelled = false;
    for ticket in info.endpoint.iter().filter_map(|endpoint| endpoint.ticket.as_ref()) {
        let any = Any::decode(ticket.ticket.clone()).map_err(status::malformed("a ticket"))?;
        let Ok(Some(ticket)) = any.unpack::<TicketStatementQuery>() else {
            continue;
        };
        let id = match service
            .sealer
            .open(&caller.user, &ticket.statement_handle, SystemTime::now())
        {
            Err(status) if status.code() == Code::NotFound => continue,
            other => other?,
        };
        if let Some(executable) = service.statements.remove(id, &caller.user) {
            executable.cancel.cancel();
            cancelled = true;
        }
    }
    Ok(cancelled)
}

fn unpack<M: ProstMessageExt>(body: Bytes) -> Result<M, Status> {
    let any = Any::decode(body).map_err(status::malformed("the action's body"))?;
    let expected = M::type_url();
    let wrong = || Status::invalid_argument(format!("the action takes {expected}, {:?} was sent", any.type_url));
    any.unpack()
        .map_err(|error| Status::invalid_argument(error.to_string()))?
        .ok_or_else(wrong)
}
