//! Session options.
//!
//! Two are known, under the names that drivers use: `catalog` and `schema`. Both can be read and set, but have one value
//! each as long as a node has one catalog and one schema for users' tables.

use std::collections::HashMap;

use tonic::Status;

use crate::{
    auth::{Caller, sessions::SessionKey},
    messages::{
        CloseSessionResult, CloseStatus, ErrorValue, GetSessionOptionsResult, OptionValue, SessionOptionError,
        SessionOptionValue, SetSessionOptionsRequest, SetSessionOptionsResult,
    },
    service::{CATALOG, DEFAULT_SCHEMA, Service},
};

const OPTIONS: [(&str, &str); 2] = [("catalog", CATALOG), ("schema", DEFAULT_SCHEMA)];

/// Sets options; those that cannot be set are named in the answer, the others are set.
pub(crate) fn set(caller: &Caller, request: &SetSessionOptionsRequest) -> Result<SetSessionOptionsResult, Status> {
    session_of(caller)?;
    let mut errors = HashMap::new();
    for (name, value) in &request.session_options {
        let known = OPTIONS.iter().find(|(known, _)| known == name);
        let error = match (known, &value.value) {
            (None, _) => ErrorValue::InvalidName,
            // no value resets an option, and an empty one is how drivers say "none in particular"
            (Some(_), None) => continue,
            (Some((_, only)), Some(OptionValue::Text(text))) if text == only || text.is_empty() => continue,
            (Some(_), Some(_)) => ErrorValue::InvalidValue,
        };
        errors.insert(name.clone(), SessionOptionError { value: error as i32 });
    }
    Ok(SetSessionOptionsResult { errors })
}

/// All options with their values.
pub(crate) fn get(caller: &Caller) -> Result<GetSessionOptionsResult, Status> {
    session_of(caller)?;
    let text = |value: &str| SessionOptionValue {
        value: Some(OptionValue::Text(value.to_owned())),
    };
    Ok(GetSessionOptionsResult {
        session_options: OPTIONS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), text(value)))
            .collect(),
    })
}

/// Ends the caller's session: its token is refused from now on.
pub(crate) fn close(service: &Service, caller: &Caller) -> Result<CloseSessionResult, Status> {
    service.authenticator.sessions().close(session_of(caller)?);
    Ok(CloseSessionResult {
        status: CloseStatus::Closed as i32,
    })
}

fn session_of(caller: &Caller) -> Result<SessionKey, Status> {
    let message = "this call has no session: open one with Handshake and send its token";
    caller.session.ok_or_else(|| Status::failed_precondition(message))
}
