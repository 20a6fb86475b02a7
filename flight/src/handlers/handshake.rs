//! Handshake: credentials for a session.

use arrow_flight::HandshakeResponse;
use futures::{StreamExt, stream::BoxStream};
use tonic::{Response, Status, metadata::AsciiMetadataValue};

use crate::{auth::Caller, service::Service};

/// Opens a session for callers with a password and hands other callers their token back. The token stands in the initial
/// response headers, where every client looks, and in one response message.
pub(crate) fn answer(
    service: &Service,
    caller: &Caller,
) -> Result<Response<BoxStream<'static, Result<HandshakeResponse, Status>>>, Status> {
    let token = match &caller.bearer {
        Some(token) => token.to_string(),
        None => service.authenticator.open_session(&caller.user)?,
    };
    let header = AsciiMetadataValue::try_from(format!("Bearer {token}"));
    let header = header.map_err(|_| Status::invalid_argument("the token cannot be an HTTP header"))?;
    let message = HandshakeResponse {
        protocol_version: 0,
        payload: token.into(),
    };
    let mut response = Response::new(futures::stream::iter([Ok(message)]).boxed());
    response.metadata_mut().insert("authorization", header);
    Ok(response)
}
