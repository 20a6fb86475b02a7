//! Messages of Flight and Flight SQL that `arrow-flight` 59 lacks, with their field numbers as in `Flight.proto` and
//! `FlightSql.proto`.

use std::collections::HashMap;

use bytes::Bytes;

/// `ActionCreatePreparedStatementResult` with its field 4, by which JDBC tells updates from queries.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PreparedStatementResult {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) prepared_statement_handle: Bytes,
    /// Schema of the result; empty for updates.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) dataset_schema: Bytes,
    /// Schema of the parameters, in ordinal order.
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) parameter_schema: Bytes,
    #[prost(bool, optional, tag = "4")]
    pub(crate) is_update: Option<bool>,
}

/// `DoPutUpdateResult` with a field of our own, which other clients skip.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UpdateResult {
    #[prost(int64, tag = "1")]
    pub(crate) record_count: i64,
    /// What was committed, JSON as in [`crate::receipt_metadata::UpdateReceipt`].
    #[prost(string, tag = "1000")]
    pub(crate) receipt: String,
}

/// `SessionOptionValue`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SessionOptionValue {
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4, 5")]
    pub(crate) value: Option<OptionValue>,
}

/// The kinds of session option values.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum OptionValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Flag(bool),
    #[prost(sfixed64, tag = "3")]
    Integer(i64),
    #[prost(double, tag = "4")]
    Float(f64),
    #[prost(message, tag = "5")]
    Texts(StringListValue),
}

/// `SessionOptionValue.StringListValue`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StringListValue {
    #[prost(string, repeated, tag = "1")]
    pub(crate) values: Vec<String>,
}

/// `SetSessionOptionsRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SetSessionOptionsRequest {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) session_options: HashMap<String, SessionOptionValue>,
}

/// `SetSessionOptionsResult`: the options that were not set, and why.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) errors: HashMap<String, SessionOptionError>,
}

/// `SetSessionOptionsResult.Error`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SessionOptionError {
    #[prost(enumeration = "ErrorValue", tag = "1")]
    pub(crate) value: i32,
}

/// `SetSessionOptionsResult.ErrorValue`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ErrorValue {
    Unspecified = 0,
    InvalidName = 1,
    InvalidValue = 2,
    Error = 3,
}

/// `GetSessionOptionsResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) session_options: HashMap<String, SessionOptionValue>,
}

/// `CloseSessionResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CloseSessionResult {
    #[prost(enumeration = "CloseStatus", tag = "1")]
    pub(crate) status: i32,
}

/// `CloseSessionResult.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum CloseStatus {
    Unspecified = 0,
    Closed = 1,
    Closing = 2,
    NotCloseable = 3,
}

/// `ActionCancelQueryResult.CancelResult`, which `arrow-flight` keeps to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum CancelResult {
    Unspecified = 0,
    Cancelled = 1,
    Cancelling = 2,
    NotCancellable = 3,
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_flight::sql::{ActionCreatePreparedStatementResult, DoPutUpdateResult};
    use prost::Message;

    #[test]
    fn stock_clients_read_our_messages() {
        let ours = PreparedStatementResult {
            prepared_statement_handle: Bytes::from_static(b"h"),
            dataset_schema: Bytes::from_static(b"d"),
            parameter_schema: Bytes::from_static(b"p"),
            is_update: Some(false),
        };
        let theirs = ActionCreatePreparedStatementResult::decode(&*ours.encode_to_vec()).unwrap();
        assert_eq!(
            (&theirs.prepared_statement_handle[..], &theirs.dataset_schema[..]),
            (&b"h"[..], &b"d"[..])
        );
        assert_eq!(
            &ours.encode_to_vec()[9..],
            [4 << 3, 0],
            "field 4 is sent even when false"
        );

        let ours = UpdateResult {
            record_count: -1,
            receipt: "{}".into(),
        };
        assert_eq!(
            DoPutUpdateResult::decode(&*ours.encode_to_vec()).unwrap().record_count,
            -1
        );
    }
}
