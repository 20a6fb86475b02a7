//! One record of the raft log, as bytes.
//!
//! Every integer is little-endian. A record is a header of 32 bytes and a payload:
//!
//! | offset | bytes | field | meaning |
//! | --- | --- | --- | --- |
//! | 0 | 4 | `length` | bytes of the payload |
//! | 4 | 4 | `crc32c` | over the segment's salt, bytes 0..4 and bytes 8..end of the record |
//! | 8 | 1 | `kind` | 1 entry, 2 hard state, 3 base, 4 signed head, 5 reset |
//! | 9 | 1 | `flags` | bit 0: last record of its batch; the other bits are zero |
//! | 10 | 2 | `reserved` | zero |
//! | 12 | 4 | `synced` | bytes of this segment that were durable when the record was written |
//! | 16 | 8 | `term` | see below |
//! | 24 | 8 | `index` | see below |
//! | 32 | `length` | `payload` | see below |
//!
//! | kind | `term` | `index` | payload |
//! | --- | --- | --- | --- |
//! | entry | the entry's term | the entry's raft index | type (1 byte), length of the context (4), context, data |
//! | hard state | current term | raft index known to be committed | 8 bytes: the vote |
//! | base | term of the entry at `index` | last raft index that the log no longer holds | empty |
//! | reset | term of the entry at `index` | last raft index before the log begins anew: no earlier entry counts | empty |
//! | signed head | zero | size of the largest tree that this replica has cosigned | its root, 32 bytes |
//!
//! An entry replaces every earlier entry with the same or a higher index: that is how a conflicting suffix is cut,
//! without touching bytes that are already durable.

use dab_proof::hash::Hash;
use dab_proof::tree::TreeSize;
use raft::eraftpb::{Entry, EntryType, HardState};

use crate::certify::TreeHead;
use crate::planted::planted;

/// Bytes of a record before its payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 32;
/// The longest payload that is written, and the longest that is believed when reading.
pub(crate) const RECORD_PAYLOAD_BYTES_MAX: usize = 64 << 20;

const LAST_OF_BATCH: u8 = 1;
const ENTRY_HEADER_BYTES: usize = 5;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry = 1,
    HardState = 2,
    Base = 3,
    SignedHead = 4,
    Reset = 5,
}

/// A record, its payload borrowed from the bytes it was read from or will be written from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) last_of_batch: bool,
    pub(crate) synced: u32,
    pub(crate) term: u64,
    pub(crate) index: u64,
    pub(crate) payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Appends the record's bytes to `out`.
    pub(crate) fn encode(&self, salt: &[u8; 8], out: &mut Vec<u8>) {
        assert!(
            self.payload.len() <= RECORD_PAYLOAD_BYTES_MAX,
            "a raft log record is longer than its limit"
        );
        let start = out.len();
        out.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.kind as u8);
        out.push(if self.last_of_batch { LAST_OF_BATCH } else { 0 });
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.synced.to_le_bytes());
        out.extend_from_slice(&self.term.to_le_bytes());
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(self.payload);
        let crc = checksum(salt, &out[start..]);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the record that `bytes` begins with; `Err` says why there is none.
    pub(crate) fn decode(bytes: &'a [u8], salt: &[u8; 8]) -> Result<Self, &'static str> {
        if bytes.len() < RECORD_HEADER_BYTES {
            return Err("the record header is cut short");
        }
        let length = u32_at(bytes, 0) as usize;
        let kind = match bytes[8] {
            1 => Kind::Entry,
            2 => Kind::HardState,
            3 => Kind::Base,
            4 => Kind::SignedHead,
            5 => Kind::Reset,
            _ => return Err("the record's kind is unknown"),
        };
        if bytes[9] > LAST_OF_BATCH || bytes[10] != 0 || bytes[11] != 0 {
            return Err("reserved bits of the record are set");
        }
        if length > RECORD_PAYLOAD_BYTES_MAX {
            return Err("the record's length is over the limit");
        }
        let Some(record) = bytes.get(..RECORD_HEADER_BYTES + length) else {
            return Err("the record is cut short");
        };
        if checksum(salt, record) != u32_at(bytes, 4) && !planted("a record's checksum is not looked at") {
            return Err("the record's checksum does not match");
        }
        Ok(Self {
            kind,
            last_of_batch: bytes[9] == LAST_OF_BATCH,
            synced: u32_at(bytes, 12),
            term: u64_at(bytes, 16),
            index: u64_at(bytes, 24),
            payload: &record[RECORD_HEADER_BYTES..],
        })
    }

    /// Bytes that the record takes in a segment.
    pub(crate) fn size(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }
}

/// The payload of an entry record.
pub(crate) fn entry_payload(entry: &Entry) -> Vec<u8> {
    let mut payload = Vec::with_capacity(ENTRY_HEADER_BYTES + entry.context.len() + entry.data.len());
    payload.push(entry.entry_type as u8);
    payload.extend_from_slice(&(entry.context.len() as u32).to_le_bytes());
    payload.extend_from_slice(&entry.context);
    payload.extend_from_slice(&entry.data);
    payload
}

/// The entry that an entry record holds.
pub(crate) fn entry_from(record: &Record<'_>) -> Result<Entry, &'static str> {
    let payload = record.payload;
    if payload.len() < ENTRY_HEADER_BYTES {
        return Err("the entry is cut short");
    }
    let entry_type = EntryType::from_i32(i32::from(payload[0])).ok_or("the entry's type is unknown")?;
    let context_end = ENTRY_HEADER_BYTES + u32_at(payload, 1) as usize;
    let context = payload
        .get(ENTRY_HEADER_BYTES..context_end)
        .ok_or("the entry's context is cut short")?;
    Ok(Entry {
        entry_type: entry_type as i32,
        term: record.term,
        index: record.index,
        data: payload[context_end..].to_vec(),
        context: context.to_vec(),
        sync_log: false,
    })
}

/// The hard state that a hard state record holds.
pub(crate) fn hard_state_from(record: &Record<'_>) -> Result<HardState, &'static str> {
    let vote = <[u8; 8]>::try_from(record.payload).map_err(|_| "the hard state is not 8 bytes long")?;
    Ok(HardState {
        term: record.term,
        vote: u64::from_le_bytes(vote),
        commit: record.index,
    })
}

/// The head that a signed head record holds.
pub(crate) fn signed_head_from(record: &Record<'_>) -> Result<TreeHead, &'static str> {
    let root = <[u8; 32]>::try_from(record.payload).map_err(|_| "the root of a signed head is not 32 bytes long")?;
    Ok(TreeHead {
        size: TreeSize(record.index),
        root: Hash::from_bytes(root),
    })
}

pub(super) fn checksum(salt: &[u8; 8], record: &[u8]) -> u32 {
    let crc = crc32c::crc32c(salt);
    let crc = crc32c::crc32c_append(crc, &record[..4]);
    crc32c::crc32c_append(crc, &record[8..])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 8] = *b"saltsalt";

    fn sample() -> Vec<u8> {
        let entry = Entry {
            term: 3,
            index: 9,
            data: b"data".to_vec(),
            context: b"ctx".to_vec(),
            ..Default::default()
        };
        let payload = entry_payload(&entry);
        let record = Record {
            kind: Kind::Entry,
            last_of_batch: true,
            synced: 40,
            term: 3,
            index: 9,
            payload: &payload,
        };
        let mut bytes = Vec::new();
        record.encode(&SALT, &mut bytes);
        bytes
    }

    #[test]
    fn the_bytes_of_a_record_are_pinned() {
        let bytes = sample();
        assert_eq!(bytes.len(), 32 + 5 + 3 + 4);
        assert_eq!(&bytes[..4], &[12, 0, 0, 0]);
        assert_eq!(
            &bytes[8..32],
            &[1, 1, 0, 0, 40, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(&bytes[32..], b"\0\x03\0\0\0ctxdata");
        let entry = entry_from(&Record::decode(&bytes, &SALT).unwrap()).unwrap();
        assert_eq!(
            (entry.data.as_slice(), entry.context.as_slice()),
            (&b"data"[..], &b"ctx"[..])
        );
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(Record::decode(&flipped, &SALT).is_err(), "byte {at} bit {bit}");
            }
            assert!(Record::decode(&bytes[..at], &SALT).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_record_of_another_segment_does_not_pass() {
        assert!(Record::decode(&sample(), b"pepper!!").is_err());
    }
}
