//! DataFusion's errors in our own words.

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::Error;
use super::message::{clean, exhausted, schema_message, spill_disk_full, syntax_message, without_paths};

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        tracing::debug!(%error, "statement failed");
        match own_error_within(&error) {
            Some(own) => own.clone(),
            None => translate(error.find_root()),
        }
    }
}

/// Our own error, however deep DataFusion and Arrow have wrapped it.
fn own_error_within(error: &DataFusionError) -> Option<&Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own);
        }
        // Arc and Box hide what they hold from `downcast_ref`.
        cause = match error.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::Shared(shared)) => Some(shared.as_ref()),
            Some(DataFusionError::Collection(errors)) => errors.first().map(|first| first as _),
            Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
            _ => match error.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                _ => error.source(),
            },
        };
    }
    None
}

fn translate(root: &DataFusionError) -> Error {
    match root {
        DataFusionError::SQL(error, _) => Error::invalid(syntax_message(error)),
        DataFusionError::SchemaError(error, _) => Error::invalid(schema_message(error)),
        DataFusionError::Plan(message) => Error::invalid(clean(message)),
        DataFusionError::NotImplemented(message) => Error::not_supported(format!("not supported: {}", clean(message))),
        DataFusionError::ResourcesExhausted(message) => exhausted(message),
        DataFusionError::ArrowError(error, _) => from_arrow(error),
        DataFusionError::Execution(message) => Error::InvalidData {
            message: clean(message).into_owned(),
        },
        DataFusionError::ParquetError(error) => unreadable(&error.to_string()),
        DataFusionError::ObjectStore(error) => unreadable(&error.to_string()),
        DataFusionError::IoError(error) if error.kind() == std::io::ErrorKind::StorageFull => spill_disk_full(),
        DataFusionError::ExecutionJoin(error) if error.is_cancelled() => Error::Cancelled,
        DataFusionError::Internal(message) => internal(message),
        DataFusionError::External(error) => internal(&error.to_string()),
        other => internal(&other.message()),
    }
}

fn unreadable(message: &str) -> Error {
    Error::Unreadable {
        message: without_paths(&clean(message)),
    }
}

fn internal(message: &str) -> Error {
    Error::internal(without_paths(&clean(message)))
}

fn from_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) if source.kind() == std::io::ErrorKind::StorageFull => spill_disk_full(),
        // the spill files' writer reports the limit of their disk as a failed write
        ArrowError::IoError(message, _) if message.contains("during the spilling process") => exhausted(message),
        ArrowError::MemoryError(message) => exhausted(message),
        ArrowError::CastError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::ArithmeticOverflow(message)
        | ArrowError::InvalidArgumentError(message)
        | ArrowError::ParseError(message)
        | ArrowError::CsvError(message)
        | ArrowError::JsonError(message)
        | ArrowError::SchemaError(message) => Error::InvalidData {
            message: clean(message).into_owned(),
        },
        ArrowError::DivideByZero => Error::InvalidData {
            message: "division by zero".into(),
        },
        ArrowError::ParquetError(message) => unreadable(message),
        other => internal(&other.to_string()),
    }
}
