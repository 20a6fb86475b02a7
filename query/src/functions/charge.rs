//! What functions have produced, counted by the memory pool for as long as it lives.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{Array, ArrayData, ArrayRef, make_array};
use datafusion::arrow::buffer::Buffer;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// Results below this are not worth the bookkeeping.
const CHARGED_FROM_BYTES: usize = 1 << 20;

/// Counts what is new in a result, until the last user of its largest buffer is gone. Fails where the pool has no more.
pub(super) fn charge(result: ArrayRef, given: &[ArrayRef], pool: &Arc<dyn MemoryPool>, name: &str) -> Result<ArrayRef> {
    if result.get_array_memory_size() < CHARGED_FROM_BYTES {
        return Ok(result);
    }
    let data = result.to_data();
    let mut known = HashSet::new();
    for array in given {
        visit(&array.to_data(), &mut |buffer| {
            known.insert(buffer.data_ptr());
        });
    }
    let mut bytes = 0;
    let mut largest: Option<Buffer> = None;
    visit(&data, &mut |buffer| {
        if known.insert(buffer.data_ptr()) {
            bytes += buffer.capacity();
            if largest.as_ref().is_none_or(|largest| largest.len() < buffer.len()) {
                largest = Some(buffer.clone());
            }
        }
    });
    let Some(largest) = largest.filter(|_| bytes >= CHARGED_FROM_BYTES) else {
        return Ok(result);
    };
    let reservation = MemoryConsumer::new(format!("the result of {name}")).register(pool);
    reservation.try_grow(bytes)?;
    let place = largest.as_ptr();
    let counted = Buffer::from(Bytes::from_owner(Counted {
        buffer: largest,
        _reservation: reservation,
    }));
    Ok(make_array(with_buffer(&data, place, &counted)?))
}

/// A buffer that gives its memory back to the pool when it is dropped.
struct Counted {
    buffer: Buffer,
    _reservation: MemoryReservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_slice()
    }
}

fn visit(data: &ArrayData, found: &mut dyn FnMut(&Buffer)) {
    data.buffers().iter().for_each(&mut *found);
    data.child_data().iter().for_each(|child| visit(child, found));
}

/// The same data with another buffer at one place of memory.
fn with_buffer(data: &ArrayData, place: *const u8, buffer: &Buffer) -> Result<ArrayData> {
    let replaced = |old: &Buffer| match old.as_ptr() == place && old.len() == buffer.len() {
        true => buffer.clone(),
        false => old.clone(),
    };
    let children = data.child_data().iter().map(|child| with_buffer(child, place, buffer));
    let children = children.collect::<Result<Vec<_>>>()?;
    let unchanged = data.buffers().iter().all(|old| old.as_ptr() != place);
    if unchanged && data.child_data().is_empty() {
        return Ok(data.clone());
    }
    let buffers = data.buffers().iter().map(replaced).collect();
    Ok(data
        .clone()
        .into_builder()
        .buffers(buffers)
        .child_data(children)
        .build()?)
}
