//! The one map from errors to gRPC status.
//!
//! Messages are those of the error, meant for the client. Errors of the node's own go to its trace, and the client hears
//! that there was one.

use dab_query::ErrorKind;
use tonic::{Code, Status};

/// The status of a failed statement.
pub(crate) fn of_query(error: &dab_query::Error) -> Status {
    let code = match error.kind() {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::DataLoss => Code::DataLoss,
        _ => Code::Internal,
    };
    match code {
        Code::Internal => internal(error),
        Code::DataLoss => {
            tracing::error!(%error, "data is not what was notarized");
            Status::data_loss(shortened(&error.to_string()))
        }
        code => Status::new(code, shortened(&error.to_string())),
    }
}

/// The status for a defect of the node.
pub(crate) fn internal(error: impl std::fmt::Display) -> Status {
    tracing::error!(%error, "a call failed for a reason of the node's own");
    Status::internal("internal error, the node's log has the details")
}

/// The status for a message of the protocol that cannot be read.
pub(crate) fn malformed(what: &str) -> impl Fn(prost::DecodeError) -> Status {
    move |error| Status::invalid_argument(format!("{what} is not a valid protobuf message ({error})"))
}

/// A status travels in HTTP trailers, for which clients have limits of 8 KiB: with percent encoding each character may
/// take three bytes.
const MESSAGE_BYTES_MAX: usize = 2000;

fn shortened(message: &str) -> String {
    if message.len() <= MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    let cut = message.floor_char_boundary(MESSAGE_BYTES_MAX);
    format!("{} ...", &message[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_between_characters() {
        let long = "ü".repeat(2000);
        let short = shortened(&long);
        assert!(short.len() <= MESSAGE_BYTES_MAX + 4 && short.ends_with("ü ..."));
        assert_eq!(shortened("as it is"), "as it is");
    }

    #[test]
    fn a_defect_is_not_described_to_clients() {
        let status = internal("the secret path /x");
        assert!(status.code() == Code::Internal && !status.message().contains("secret"));
    }
}
