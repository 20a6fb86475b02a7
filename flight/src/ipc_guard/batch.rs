//! Record batches: every buffer inside the body, and just those that the schema asks for.

use arrow::{
    datatypes::{DataType, Fields, Schema},
    ipc::{Buffer, DictionaryBatch, FieldNode, MetadataVersion, RecordBatch},
};

use super::{ARRAY_LENGTH_MAX, BUFFER_ALIGNMENT_BYTES, Refused, Result, WEIGHTLESS_ROWS_MAX};

/// Accepts a batch whose parts all lie in a body of `body_bytes` and fit `fields`.
pub(super) fn check(
    batch: RecordBatch<'_>,
    fields: &Fields,
    body_bytes: usize,
    version: MetadataVersion,
) -> Result<()> {
    if version != MetadataVersion::V5 && version != MetadataVersion::V4 {
        return Err(Refused::because("a metadata version other than 4 or 5"));
    }
    if batch.compression().is_some() {
        return Err(Refused::because("compressed record batches; send them uncompressed"));
    }
    if !(0..=ARRAY_LENGTH_MAX).contains(&batch.length()) {
        return Err(Refused::because(format!("a batch of {} rows", batch.length())));
    }
    let nodes = batch.nodes().ok_or_else(|| Refused::because("a batch without nodes"))?;
    let buffers = batch
        .buffers()
        .ok_or_else(|| Refused::because("a batch without buffers"))?;
    let variadic: Vec<i64> = batch.variadicBufferCounts().into_iter().flatten().collect();
    let mut walk = Walk {
        nodes: Box::new(nodes.iter()),
        buffers: Box::new(buffers.iter()),
        variadic: variadic.into_iter(),
        body_bytes: body_bytes as i64,
        end: 0,
        weightless: if fields.is_empty() { batch.length() } else { 0 },
    };
    for field in fields {
        let length = walk.array(field.data_type())?;
        if length != batch.length() {
            return Err(Refused::because(format!(
                "column {:?} is not as long as its batch",
                field.name()
            )));
        }
    }
    walk.end()
}

/// Accepts a dictionary that a column of `schema` uses.
pub(super) fn check_dictionary(
    dictionary: DictionaryBatch<'_>,
    schema: &Schema,
    body_bytes: usize,
    version: MetadataVersion,
) -> Result<()> {
    if dictionary.isDelta() {
        return Err(Refused::because("delta dictionaries; send each dictionary whole"));
    }
    let data = dictionary
        .data()
        .ok_or_else(|| Refused::because("a dictionary without values"))?;
    #[allow(deprecated, reason = "arrow-ipc 59 itself finds dictionaries this way")]
    let fields = schema.fields_with_dict_id(dictionary.id());
    let Some(DataType::Dictionary(_, values)) = fields.first().map(|field| field.data_type()) else {
        return Err(Refused::because("a dictionary that no column uses"));
    };
    let fields = Fields::from(vec![arrow::datatypes::Field::new(
        "values",
        values.as_ref().clone(),
        true,
    )]);
    check(data, &fields, body_bytes, version)
}

/// Goes through nodes and buffers in the order in which the decoder takes them.
struct Walk<'a> {
    nodes: Box<dyn Iterator<Item = &'a FieldNode> + 'a>,
    buffers: Box<dyn Iterator<Item = &'a Buffer> + 'a>,
    variadic: std::vec::IntoIter<i64>,
    body_bytes: i64,
    /// Where the last buffer that is not empty ends.
    end: i64,
    /// Rows so far that took no bytes of the body.
    weightless: i64,
}

impl Walk<'_> {
    /// Checks one array with its children; its length.
    fn array(&mut self, data_type: &DataType) -> Result<i64> {
        use DataType::*;
        let node = self
            .nodes
            .next()
            .ok_or_else(|| Refused::because("fewer arrays than the schema has"))?;
        let (length, nulls) = (node.length(), node.null_count());
        if !(0..=ARRAY_LENGTH_MAX).contains(&length) || !(0..=length).contains(&nulls) {
            return Err(Refused::because(format!(
                "an array of {length} values with {nulls} nulls"
            )));
        }
        if matches!(data_type, Null) {
            if nulls != length {
                return Err(Refused::because("a column of type null with values"));
            }
            self.weightless(length)?;
            return Ok(length);
        }
        let validity = self.buffer()?;
        if nulls > 0 && validity < (length + 7) / 8 {
            return Err(Refused::because("a validity buffer shorter than its array"));
        }
        match data_type {
            Utf8 | Binary => {
                self.offsets(length, 4)?;
                self.buffer()?;
            }
            LargeUtf8 | LargeBinary => {
                self.offsets(length, 8)?;
                self.buffer()?;
            }
            Utf8View | BinaryView => {
                self.numbers(length, 16)?;
                let count = self
                    .variadic
                    .next()
                    .ok_or_else(|| Refused::because("a view without buffer count"))?;
                // a wrong count, however large, runs out of buffers soon
                for _ in 0..u64::try_from(count).map_err(|_| Refused::because("a negative buffer count"))? {
                    self.buffer()?;
                }
            }
            List(item) | Map(item, _) => {
                self.offsets(length, 4)?;
                self.array(item.data_type())?;
            }
            LargeList(item) => {
                self.offsets(length, 8)?;
                self.array(item.data_type())?;
            }
            FixedSizeList(item, size) => {
                if *size == 0 {
                    self.weightless(length)?;
                }
                let values = self.array(item.data_type())?;
                if values < length.saturating_mul(i64::from(*size)) {
                    return Err(Refused::because(
                        "a list of fixed size with fewer values than its rows need",
                    ));
                }
            }
            Struct(fields) => {
                if fields.is_empty() {
                    self.weightless(length)?;
                }
                for field in fields {
                    if self.array(field.data_type())? != length {
                        return Err(Refused::because("a struct whose fields are not as long as itself"));
                    }
                }
            }
            Boolean => {
                let bytes = self.buffer()?;
                if bytes < (length + 7) / 8 {
                    return Err(Refused::because("a buffer shorter than its array"));
                }
            }
            FixedSizeBinary(0) => {
                self.buffer()?;
                self.weightless(length)?;
            }
            // writers may pad it, and the decoder reads it as bytes
            FixedSizeBinary(width) => {
                self.sized(length, i64::from(*width))?;
            }
            Dictionary(keys, _) => self.numbers(length, width(keys)?)?,
            fixed => {
                self.sized(length, width(fixed)?)?;
            }
        }
        Ok(length)
    }

    /// Takes the next buffer; its length in bytes.
    ///
    /// The decoder copies a buffer that is not aligned in memory, whole. Buffers that share bytes of the body would let
    /// one message of some megabytes ask for a copy of them per column; the format has buffers one after the other.
    fn buffer(&mut self) -> Result<i64> {
        let buffer = self
            .buffers
            .next()
            .ok_or_else(|| Refused::because("fewer buffers than the schema needs"))?;
        let (offset, length) = (buffer.offset(), buffer.length());
        let inside = offset >= 0 && length >= 0 && offset.checked_add(length).is_some_and(|end| end <= self.body_bytes);
        if !inside {
            return Err(Refused::because(format!(
                "a buffer of {length} bytes at {offset} lies outside the body"
            )));
        }
        if length > 0 {
            if offset % BUFFER_ALIGNMENT_BYTES != 0 {
                return Err(Refused::because(format!(
                    "a buffer at {offset}, which is not a multiple of {BUFFER_ALIGNMENT_BYTES} bytes"
                )));
            }
            if offset < self.end {
                return Err(Refused::because(format!(
                    "a buffer at {offset} begins before the one in front of it ends, at {}",
                    self.end
                )));
            }
            self.end = offset + length;
        }
        Ok(length)
    }

    fn sized(&mut self, length: i64, width: i64) -> Result<i64> {
        let bytes = self.buffer()?;
        if bytes < length.saturating_mul(width) {
            return Err(Refused::because("a buffer shorter than its array"));
        }
        Ok(bytes)
    }

    /// A buffer that the decoder reads as a slice of numbers, which panics unless it holds whole ones.
    fn numbers(&mut self, length: i64, width: i64) -> Result<()> {
        match self.sized(length, width)? % width {
            0 => Ok(()),
            _ => Err(Refused::because(format!(
                "a buffer that ends inside a value of {width} bytes"
            ))),
        }
    }

    /// An array of no rows may have no offsets at all.
    fn offsets(&mut self, length: i64, width: i64) -> Result<()> {
        self.numbers(if length == 0 { 0 } else { length + 1 }, width)
    }

    fn weightless(&mut self, rows: i64) -> Result<()> {
        self.weightless += rows;
        if self.weightless > WEIGHTLESS_ROWS_MAX {
            return Err(Refused::because(format!(
                "more than {WEIGHTLESS_ROWS_MAX} rows without content"
            )));
        }
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        let left = self.nodes.next().is_some() || self.buffers.next().is_some() || self.variadic.next().is_some();
        if left || self.weightless > WEIGHTLESS_ROWS_MAX {
            return Err(Refused::because("more arrays or buffers than the schema has"));
        }
        Ok(())
    }
}

fn width(data_type: &DataType) -> Result<i64> {
    let width = data_type
        .primitive_width()
        .ok_or_else(|| Refused::because(format!("values of type {data_type}")))?;
    Ok(width as i64)
}
