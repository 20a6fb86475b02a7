//! Reads a segment after a restart and tells a torn tail from corruption.
//!
//! A batch is one `write`, followed (unless it only moves the commit index) by one fdatasync, and counts as a whole or
//! not at all. So after a crash the bytes behind the last whole batch are one of two things:
//!
//! ```text
//! ... whole batches | broken bytes                      | end of file     torn: never acknowledged, cut
//! ... whole batches | broken bytes | record, synced > | end of file     corrupt: those bytes had been durable
//!                   ^ good                            good
//! ```
//!
//! Every record says how many bytes of its segment were durable when it was written. A valid record behind the broken
//! bytes that was written after they were durable proves corruption; without such a record they are a tail that the
//! crash tore, in whatever order the disk had persisted its pages. What this cannot tell apart from a torn tail is
//! rot in the very last durable batch when nothing was written behind it; the node writes the commit index behind
//! every batch, so that window closes as soon as that reaches the disk.

use std::path::Path;

use super::record::{RECORD_HEADER_BYTES, Record};
use super::segment::SEGMENT_HEADER_BYTES;
use crate::Error;

/// The whole batches of a segment.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    /// Each record with its offset in the segment.
    pub(crate) records: Vec<(u32, Record<'a>)>,
    /// Where the last whole batch ends.
    pub(crate) good: u32,
}

/// Reads the records of a segment, of which `is_last` may end torn.
pub(crate) fn scan<'a>(path: &Path, bytes: &'a [u8], salt: &[u8; 8], is_last: bool) -> Result<Scan<'a>, Error> {
    let mut records = Vec::new();
    let mut whole = 0;
    let mut good = SEGMENT_HEADER_BYTES;
    let mut at = SEGMENT_HEADER_BYTES;
    let mut broken = "the last batch is not complete";
    while at < bytes.len() {
        match Record::decode(&bytes[at..], salt) {
            Ok(record) => {
                if record.synced as usize > at {
                    return Err(Error::corrupt(
                        path,
                        at as u64,
                        "a record claims durable bytes that follow it",
                    ));
                }
                records.push((at as u32, record));
                at += record.size();
                if record.last_of_batch {
                    (whole, good) = (records.len(), at);
                }
            }
            Err(reason) => {
                broken = reason;
                break;
            }
        }
    }
    if good == SEGMENT_HEADER_BYTES {
        // the first batch was durable before the segment got its name
        return Err(Error::corrupt(path, at as u64, broken));
    }
    if good < bytes.len() {
        if !is_last {
            // a segment is durable as a whole before the next one is made
            return Err(Error::corrupt(path, at as u64, broken));
        }
        if let Some(witness) = durable_witness(bytes, at, good, salt) {
            let reason = format!("{broken}, though the record at {witness} was written when these bytes were durable");
            return Err(Error::corrupt(path, at as u64, &reason));
        }
    }
    records.truncate(whole);
    Ok(Scan {
        records,
        good: good as u32,
    })
}

/// How many bytes of a segment a later record of it proves to have been durable: rot in them is told from a torn tail.
#[cfg(feature = "testing")]
pub(crate) fn provable_bytes(bytes: &[u8]) -> usize {
    let Some(salt) = bytes.get(16..24).and_then(|salt| salt.try_into().ok()) else {
        return 0;
    };
    let (mut at, mut first_batch, mut synced) = (SEGMENT_HEADER_BYTES, 0, 0);
    while let Ok(record) = Record::decode(&bytes[at..], salt) {
        at += record.size();
        synced = record.synced as usize;
        if record.last_of_batch && first_batch == 0 {
            first_batch = at;
        }
    }
    first_batch.max(synced)
}

/// The offset of a valid record behind `from` that was written after the bytes behind `good` were durable.
fn durable_witness(bytes: &[u8], from: usize, good: usize, salt: &[u8; 8]) -> Option<usize> {
    let last = bytes.len().checked_sub(RECORD_HEADER_BYTES)?;
    (from + 1..=last).find(|&at| {
        // cheap tests first: a checksum over megabytes at every offset would take minutes
        let plausible = matches!(bytes[at + 8], 1..=5) && bytes[at + 9] <= 1 && bytes[at + 10] == 0;
        plausible && Record::decode(&bytes[at..], salt).is_ok_and(|record| record.synced as usize > good)
    })
}
