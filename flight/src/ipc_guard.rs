//! Looks at uploaded IPC messages before they are decoded.
//!
//! The decoder of arrow-ipc 59 trusts what a message says of itself: it allocates what a compressed buffer claims to
//! expand to (the process aborts when there is not that much memory), cuts buffers at offsets that a message names
//! (panics when they lie outside) and panics on schemas that no writer makes. So a message is decoded only after
//!
//! - every length and offset in it was found to lie inside the message,
//! - its buffers and nodes were found to be those that its schema asks for,
//! - its buffers were found aligned, one after the other, and to hold whole values,
//! - its types were found to be ones that the decoder knows, nested no deeper than [`NESTING_DEPTH_MAX`],
//! - it was found not to be compressed,
//!
//! and what it decoded to is used only if written out in full it is not larger than [`EXPANDED_BYTES_MAX`]: views and
//! dictionaries can make much of little.

mod batch;
mod schema;

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    ipc::{MessageHeader, root_as_message},
};
use arrow_flight::FlightData;

use crate::wire;

/// Largest metadata part of a message, bytes: a schema or the list of a batch's buffers.
pub(crate) const METADATA_BYTES_MAX: usize = 1 << 20;
/// Fields in a schema, those inside nested types included.
pub(crate) const FIELDS_MAX: usize = 4096;
/// Depth of nested types.
pub(crate) const NESTING_DEPTH_MAX: usize = 16;
/// What the offset of a buffer in the body is a multiple of, bytes: the format asks for it, and all writers do it.
pub(crate) const BUFFER_ALIGNMENT_BYTES: i64 = 8;
/// Length of any one array.
pub(crate) const ARRAY_LENGTH_MAX: i64 = i32::MAX as i64;
/// Rows in a message altogether that take no bytes in it (of type null, for instance).
pub(crate) const WEIGHTLESS_ROWS_MAX: i64 = 64 << 20;
/// Bytes that the rows of one message may take once written out in full.
pub(crate) const EXPANDED_BYTES_MAX: usize = 1 << 30;

/// Why a message is refused; the text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("upload refused: {0}")]
pub(crate) struct Refused(String);

impl Refused {
    fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

type Result<T> = std::result::Result<T, Refused>;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No IPC message: a descriptor or application metadata alone.
    Bare,
    /// The schema.
    Schema,
    /// A dictionary.
    Dictionary,
    /// A record batch.
    Batch,
}

/// Checks a message of an upload whose schema, if it came already, is `schema`.
pub(crate) fn check(data: &FlightData, schema: Option<&SchemaRef>) -> Result<Kind> {
    if data.data_header.is_empty() {
        return match data.data_body.is_empty() {
            true => Ok(Kind::Bare),
            false => Err(Refused::because("a body without a header")),
        };
    }
    if data.data_header.len() > METADATA_BYTES_MAX {
        let found = data.data_header.len();
        return Err(Refused::because(format!(
            "{found} bytes of metadata where {METADATA_BYTES_MAX} are allowed"
        )));
    }
    let message = root_as_message(&data.data_header)
        .map_err(|error| Refused::because(format!("the message's metadata is not valid ({error})")))?;
    let body_length = message.bodyLength();
    if usize::try_from(body_length).map_or(true, |length| length > data.data_body.len()) {
        let found = data.data_body.len();
        return Err(Refused::because(format!(
            "a body of {body_length} bytes was announced, {found} came"
        )));
    }
    match message.header_type() {
        MessageHeader::NONE => Ok(Kind::Bare),
        MessageHeader::Schema if schema.is_some() => Err(Refused::because("a second schema")),
        MessageHeader::Schema => {
            let found = message
                .header_as_schema()
                .ok_or_else(|| Refused::because("a schema message without schema"))?;
            schema::check(found)?;
            Ok(Kind::Schema)
        }
        MessageHeader::RecordBatch => {
            let schema = schema.ok_or_else(|| Refused::because("a record batch before the schema"))?;
            let found = message
                .header_as_record_batch()
                .ok_or_else(|| Refused::because("a batch message without batch"))?;
            batch::check(found, schema.fields(), data.data_body.len(), message.version())?;
            Ok(Kind::Batch)
        }
        MessageHeader::DictionaryBatch => {
            let schema = schema.ok_or_else(|| Refused::because("a dictionary before the schema"))?;
            let found = message
                .header_as_dictionary_batch()
                .ok_or_else(|| Refused::because("a dictionary message without dictionary"))?;
            batch::check_dictionary(found, schema, data.data_body.len(), message.version())?;
            Ok(Kind::Dictionary)
        }
        other => Err(Refused::because(format!(
            "a message of kind {}",
            other.variant_name().unwrap_or("unknown")
        ))),
    }
}

/// Checks what a message was decoded to.
pub(crate) fn check_decoded(batch: &RecordBatch) -> Result<()> {
    let bytes = wire::sliced_bytes(batch);
    if bytes > EXPANDED_BYTES_MAX {
        let rows = batch.num_rows();
        return Err(Refused::because(format!(
            "{rows} rows take {bytes} bytes written out, {EXPANDED_BYTES_MAX} are allowed in one message"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
