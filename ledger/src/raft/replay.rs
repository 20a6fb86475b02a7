//! Rebuilds the raft log's table of contents from its segments.

use std::collections::BTreeMap;
use std::path::Path;

use raft::eraftpb::HardState;

use super::record::{Kind, Record, entry_from, hard_state_from, signed_head_from};
use super::scan::scan;
use super::segment::Segment;
use crate::Error;
use crate::certify::TreeHead;
use crate::disk::Disk;

/// A place in the raft log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) index: u64,
    pub(crate) term: u64,
}

/// Where an entry lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) position: Position,
    pub(crate) segment: u64,
    /// Offset of the record in its segment.
    pub(crate) offset: u32,
    /// Bytes of the record, header included.
    pub(crate) length: u32,
}

/// What the segments say, put together.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) segments: BTreeMap<u64, Segment>,
    pub(crate) base: Position,
    pub(crate) slots: Vec<Slot>,
    pub(crate) hard_state: HardState,
    pub(crate) signed_head: Option<TreeHead>,
    /// Where the last whole batch of the last segment ends.
    pub(crate) good: u32,
}

/// Reads all segments, whose `numbers` ascend.
pub(crate) fn replay(disk: &dyn Disk, dir: &Path, numbers: &[u64]) -> Result<Replayed, Error> {
    let mut contents = Contents::default();
    let mut segments = BTreeMap::new();
    let mut good = 0;
    for (at, &number) in numbers.iter().enumerate() {
        let (segment, bytes) = Segment::open(disk, dir, number)?;
        if number != numbers[0] + at as u64 {
            return Err(Error::corrupt(
                &segment.path,
                0,
                "the raft log's segment before this one is missing",
            ));
        }
        let is_last = at + 1 == numbers.len();
        let scan = scan(&segment.path, &bytes, &segment.salt, is_last)?;
        for (offset, record) in &scan.records {
            let result = contents.take(number, *offset, record);
            result.map_err(|reason| Error::corrupt(&segment.path, u64::from(*offset), reason))?;
        }
        good = scan.good;
        segments.insert(number, segment);
    }
    let last = segments.last_key_value().expect("at least one segment was read").1;
    contents
        .check()
        .map_err(|reason| Error::corrupt(&last.path, u64::from(good), &reason))?;
    let Contents {
        base,
        slots,
        hard_state,
        signed_head,
    } = contents;
    Ok(Replayed {
        segments,
        base,
        slots: slots.into_values().collect(),
        hard_state,
        signed_head,
        good,
    })
}

#[derive(Debug, Default)]
struct Contents {
    base: Position,
    slots: BTreeMap<u64, Slot>,
    hard_state: HardState,
    signed_head: Option<TreeHead>,
}

impl Contents {
    fn take(&mut self, segment: u64, offset: u32, record: &Record<'_>) -> Result<(), &'static str> {
        let position = Position {
            index: record.index,
            term: record.term,
        };
        // the next index has to be a number too
        if record.index == u64::MAX {
            return Err("an index is beyond the end of every log");
        }
        match record.kind {
            Kind::Entry => {
                entry_from(record)?;
                if record.index <= self.base.index {
                    return Err("an entry lies below the base of the log");
                }
                self.slots.split_off(&record.index);
                if self
                    .slots
                    .last_key_value()
                    .is_some_and(|(&last, _)| last + 1 != record.index)
                {
                    return Err("entries are missing before this one");
                }
                let length = record.size() as u32;
                self.slots.insert(
                    record.index,
                    Slot {
                        position,
                        segment,
                        offset,
                        length,
                    },
                );
            }
            Kind::HardState => self.hard_state = hard_state_from(record)?,
            Kind::SignedHead => {
                let head = signed_head_from(record)?;
                if self.signed_head.is_some_and(|before| head.size < before.size) {
                    return Err("the signed head moves backwards");
                }
                self.signed_head = Some(head);
            }
            Kind::Base => {
                if record.index < self.base.index {
                    return Err("the base of the log moves backwards");
                }
                self.base = position;
                self.slots = self.slots.split_off(&(record.index + 1));
            }
            Kind::Reset => {
                if record.index < self.base.index {
                    return Err("the base of the log moves backwards");
                }
                self.base = position;
                self.slots.clear();
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let next = self.base.index + 1;
        if let Some((&first, _)) = self.slots.first_key_value()
            && first != next
        {
            return Err(format!("entries {next} to {} of the raft log are missing", first - 1));
        }
        let last = self.slots.last_key_value().map_or(self.base.index, |(&index, _)| index);
        let commit = self.hard_state.commit;
        if commit < self.base.index || commit > last {
            return Err(format!(
                "entry {commit} is committed, but the raft log holds {next} to {last}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums do not keep such a record out: whoever can write the disk can make them.
    #[test]
    fn an_index_without_a_next_one_is_refused_whatever_the_record_holds() {
        for kind in [Kind::Entry, Kind::HardState, Kind::Base, Kind::SignedHead] {
            let record = Record {
                kind,
                last_of_batch: true,
                synced: 0,
                term: 1,
                index: u64::MAX,
                payload: &[0; 8],
            };
            let taken = Contents::default().take(1, 0, &record);
            assert_eq!(taken, Err("an index is beyond the end of every log"), "{kind:?}");
        }
    }
}
