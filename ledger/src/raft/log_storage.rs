//! The durable raft log: entries and hard state in segment files, one fdatasync per `Ready`.
//!
//! The log is the truth of the node: state, tiles and checkpoints are derived from it and rebuilt by replaying it. A
//! write or sync that fails poisons the log for the rest of the process, because after a failed fsync nobody knows
//! which bytes the disk holds, and asking again may be answered with a false yes.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft::eraftpb::{Entry, HardState};

use super::record::{Kind, RECORD_HEADER_BYTES, Record, entry_from, entry_payload};
use super::replay::{Position, Slot, replay};
use super::segment::{self, Segment};
use crate::Error;
use crate::certify::TreeHead;
use crate::crash_point::crash_point;
use crate::disk::Disk;
use crate::durable::{Access, io};
use crate::planted::planted;

/// A segment that has grown to this many bytes is closed and the next one begun.
pub(crate) const SEGMENT_BYTES: u32 = 64 << 20;
/// Offsets in a segment are 32 bits wide, and a batch may begin just below the bound.
const SEGMENT_BYTES_MAX: u32 = 1 << 30;
/// Entries kept in memory so that raft reads back what it has just written without the disk.
const CACHE_BYTES_MAX: usize = 8 << 20;

/// What one `Ready` asks to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) entries: &'a [Entry],
    pub(crate) hard_state: Option<&'a HardState>,
    /// False only when nothing but the commit index moved: raft recomputes that after a crash.
    pub(crate) sync: bool,
}

/// The raft log of one node.
#[derive(Debug)]
pub(crate) struct LogStorage {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u32,
    segments: BTreeMap<u64, Segment>,
    base: Position,
    slots: VecDeque<Slot>,
    hard_state: HardState,
    /// The largest tree that this replica has cosigned.
    signed_head: Option<TreeHead>,
    cache: VecDeque<Entry>,
    cache_bytes: usize,
    /// Bytes of the current segment known to be durable.
    synced: u32,
    syncs: Arc<AtomicU64>,
    poison: Option<String>,
    #[cfg(test)]
    pub(crate) faults: Faults,
}

/// Failures that a test plants.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) write: bool,
    pub(crate) sync: bool,
    pub(crate) panic: bool,
}

impl LogStorage {
    /// Opens the log in `dir`, or makes it. A torn tail is cut, and what remains is made durable before it counts.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path, segment_bytes: u32) -> Result<Self, Error> {
        disk.create_dir(dir, Access::Owner)?;
        let numbers = segment::list(&*disk, dir)?;
        let mut log = Self {
            disk,
            dir: dir.to_path_buf(),
            segment_bytes: segment_bytes.min(SEGMENT_BYTES_MAX),
            segments: BTreeMap::new(),
            base: Position::default(),
            slots: VecDeque::new(),
            hard_state: HardState::default(),
            signed_head: None,
            cache: VecDeque::new(),
            cache_bytes: 0,
            synced: 0,
            syncs: Arc::default(),
            poison: None,
            #[cfg(test)]
            faults: Faults::default(),
        };
        if numbers.is_empty() {
            log.roll()?;
            return Ok(log);
        }
        let replayed = replay(&*log.disk, dir, &numbers)?;
        log.segments = replayed.segments;
        log.base = replayed.base;
        log.slots = replayed.slots.into();
        log.hard_state = replayed.hard_state;
        log.signed_head = replayed
            .signed_head
            .filter(|_| !planted("a restart forgets the signed head"));
        let current = log.segments.last_entry().expect("the log has a segment").into_mut();
        if replayed.good < current.length {
            let (segment, from, to) = (current.path.display(), replayed.good, current.length);
            tracing::warn!(%segment, from, to, "cut a torn tail of the raft log");
            current.truncate(replayed.good)?;
        }
        // what a killed process had written may lie in the page cache only; raft will build on it, so it must be
        // durable
        current.sync().map_err(io("sync", &current.path))?;
        log.synced = current.length;
        log.remove_segments_below(log.first_needed_segment())?;
        Ok(log)
    }

    /// Stores a batch as a whole or not at all. After an error the log accepts nothing more.
    pub(crate) fn append(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        self.check_poison()?;
        if let Some(first) = batch.entries.first() {
            assert!(first.index > self.base.index, "raft overwrites a compacted entry");
            assert!(first.index <= self.last().index + 1, "raft leaves a gap in its log");
        }
        let result = self.try_append(batch);
        if let Err(error) = &result {
            self.poison = Some(error.to_string());
        }
        result
    }

    fn try_append(&mut self, batch: Batch<'_>) -> Result<(), Error> {
        if self.current().length >= self.segment_bytes {
            self.sync()?;
            self.roll()?;
        }
        let payloads: Vec<Vec<u8>> = batch.entries.iter().map(entry_payload).collect();
        let vote = batch.hard_state.map(|state| state.vote.to_le_bytes());
        let mut records: Vec<Record<'_>> = batch
            .entries
            .iter()
            .zip(&payloads)
            .map(|(entry, payload)| self.record(Kind::Entry, entry.term, entry.index, payload))
            .collect();
        if let (Some(state), Some(vote)) = (batch.hard_state, &vote) {
            records.push(self.record(Kind::HardState, state.term, state.commit, vote));
        }
        let Some(last) = records.last_mut() else { return Ok(()) };
        last.last_of_batch = true;
        let number = self.current().number;
        let start = self.current().length;
        let (mut bytes, mut slots) = (Vec::new(), Vec::with_capacity(batch.entries.len()));
        for record in &records {
            if record.kind == Kind::Entry {
                let offset = start + bytes.len() as u32;
                let position = Position {
                    index: record.index,
                    term: record.term,
                };
                slots.push(Slot {
                    position,
                    segment: number,
                    offset,
                    length: record.size() as u32,
                });
            }
            record.encode(&self.current().salt, &mut bytes);
        }
        crash_point!("raft::before_write");
        self.write(&bytes)?;
        crash_point!("raft::written");
        if batch.sync && !planted("the raft log is not synced") {
            self.sync()?;
            crash_point!("raft::synced");
        }
        if let Some(state) = batch.hard_state {
            self.hard_state = state.clone();
        }
        self.remember(batch.entries, slots);
        Ok(())
    }

    /// Remembers for good which tree this replica is about to cosign. Only after it may the cosignature leave: a restart
    /// that forgot would sign whatever a leader replays to it, at the same size.
    ///
    /// The sync covers the commit index written before, so a restart replays at least as far as it has signed.
    pub(crate) fn append_signed_head(&mut self, head: TreeHead) -> Result<(), Error> {
        self.check_poison()?;
        let mut record = self.record(Kind::SignedHead, 0, head.size.0, head.root.as_bytes());
        record.last_of_batch = true;
        let mut bytes = Vec::new();
        record.encode(&self.current().salt, &mut bytes);
        let result = self
            .write(&bytes)
            .and_then(|()| match planted("the signed head is not synced") {
                true => Ok(()),
                false => self.sync(),
            });
        match &result {
            Ok(()) => self.signed_head = Some(head),
            Err(error) => self.poison = Some(error.to_string()),
        }
        result
    }

    /// The largest tree that this replica has cosigned, in this run or an earlier one.
    pub(crate) fn signed_head(&self) -> Option<TreeHead> {
        self.signed_head
    }

    /// Gives up the segments all of whose entries are at or below `index`, which the caller has applied durably.
    ///
    /// A crash before the base record is durable leaves everything; after it, segments that the next open removes.
    pub(crate) fn compact(&mut self, index: u64) -> Result<(), Error> {
        self.check_poison()?;
        let keep = self
            .slots
            .iter()
            .find(|slot| slot.position.index > index)
            .map(|slot| slot.segment);
        let keep = keep.unwrap_or(self.current().number);
        let gone = self.slots.iter().take_while(|slot| slot.segment < keep).count();
        if gone == 0 {
            return Ok(());
        }
        let base = self.slots[gone - 1].position;
        let result = self.write_base(base);
        if let Err(error) = &result {
            self.poison = Some(error.to_string());
            return result;
        }
        self.slots.drain(..gone);
        self.base = base;
        while self.cache.front().is_some_and(|entry| entry.index <= base.index) {
            self.cache_bytes -= self.cache.pop_front().map_or(0, |entry| entry.data.len());
        }
        self.remove_segments_below(keep)
    }

    /// Begins anew behind `at`, whatever the log held: the state there has come from other replicas, and is durable.
    ///
    /// A crash before the record is durable leaves the old log, and a state that says where the new one is to begin.
    pub(crate) fn reset(&mut self, at: Position, hard_state: &HardState) -> Result<(), Error> {
        self.check_poison()?;
        assert!(
            at.index >= self.base.index && hard_state.commit == at.index,
            "the raft log goes back"
        );
        let vote = hard_state.vote.to_le_bytes();
        let state = self.record(Kind::HardState, hard_state.term, hard_state.commit, &vote);
        let mut reset = self.record(Kind::Reset, at.term, at.index, &[]);
        reset.last_of_batch = true;
        let mut bytes = Vec::new();
        state.encode(&self.current().salt, &mut bytes);
        reset.encode(&self.current().salt, &mut bytes);
        let result = self.write(&bytes).and_then(|()| self.sync());
        if let Err(error) = &result {
            self.poison = Some(error.to_string());
            return result;
        }
        self.slots.clear();
        self.cache.clear();
        self.cache_bytes = 0;
        self.base = at;
        self.hard_state = hard_state.clone();
        self.remove_segments_below(self.current().number)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| u64::from(segment.length)).sum()
    }

    fn write_base(&mut self, base: Position) -> Result<(), Error> {
        let mut record = self.record(Kind::Base, base.term, base.index, &[]);
        record.last_of_batch = true;
        let mut bytes = Vec::new();
        record.encode(&self.current().salt, &mut bytes);
        self.write(&bytes)?;
        self.sync()
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        let current = self.current();
        if self.synced == current.length {
            return Ok(());
        }
        #[cfg(test)]
        if self.faults.sync {
            return Err(io("sync", &current.path)(std::io::Error::other("planted")));
        }
        let synced = current.length;
        let result = current.sync().map_err(io("sync", &current.path));
        if !planted("a failed sync is passed over") {
            result?;
        }
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.synced = synced;
        Ok(())
    }

    /// As [`Self::sync`], for the moments outside an append; poisons on failure.
    pub(crate) fn sync_or_poison(&mut self) -> Result<(), Error> {
        self.check_poison()?;
        let result = self.sync();
        if let Err(error) = &result {
            self.poison = Some(error.to_string());
        }
        result
    }

    /// Counts the fdatasyncs of the log since it was opened.
    pub(crate) fn sync_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.syncs)
    }

    pub(crate) fn hard_state(&self) -> &HardState {
        &self.hard_state
    }

    /// The last entry that the log no longer holds; index 0 while it holds them all.
    pub(crate) fn base(&self) -> Position {
        self.base
    }

    /// The last entry, or the base of an empty log.
    pub(crate) fn last(&self) -> Position {
        self.slots.back().map_or(self.base, |slot| slot.position)
    }

    /// The term at an index that the log holds, or of its base.
    pub(crate) fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.slot(index).map(|slot| slot.position.term)
    }

    /// The entry at an index that the log holds.
    pub(crate) fn entry(&self, index: u64) -> Result<Option<Entry>, Error> {
        if let Some(first) = self.cache.front().map(|entry| entry.index)
            && index >= first
        {
            return Ok(self.cache.get((index - first) as usize).cloned());
        }
        let Some(slot) = self.slot(index) else { return Ok(None) };
        let segment = &self.segments[&slot.segment];
        let bytes = segment.read(slot.offset, slot.length)?;
        let corrupt = |reason: &str| Error::corrupt(&segment.path, u64::from(slot.offset), reason);
        let record = Record::decode(&bytes, &segment.salt).map_err(corrupt)?;
        if record.kind != Kind::Entry || (record.index, record.term) != (slot.position.index, slot.position.term) {
            return Err(corrupt("another record lies where an entry was written"));
        }
        entry_from(&record).map(Some).map_err(corrupt)
    }

    fn slot(&self, index: u64) -> Option<&Slot> {
        let at = index.checked_sub(self.base.index + 1)?;
        self.slots.get(usize::try_from(at).ok()?)
    }

    fn remember(&mut self, entries: &[Entry], slots: Vec<Slot>) {
        let Some(first) = entries.first() else { return };
        // an entry replaces all from its index on
        if !planted("a conflicting suffix stays in the raft log") {
            self.slots.truncate((first.index - self.base.index - 1) as usize);
        }
        self.slots.extend(slots);
        while self.cache.back().is_some_and(|entry| entry.index >= first.index) {
            self.cache_bytes -= self.cache.pop_back().map_or(0, |entry| entry.data.len());
        }
        for entry in entries {
            self.cache_bytes += entry.data.len();
            self.cache.push_back(entry.clone());
        }
        while self.cache_bytes > CACHE_BYTES_MAX {
            self.cache_bytes -= self.cache.pop_front().map_or(0, |entry| entry.data.len());
        }
    }

    fn roll(&mut self) -> Result<(), Error> {
        let number = self.segments.last_key_value().map_or(1, |(number, _)| number + 1);
        let (state, base, signed_head) = (&self.hard_state, self.base, self.signed_head);
        let segment = Segment::create(&*self.disk, &self.dir, number, |salt| {
            let vote = state.vote.to_le_bytes();
            let mut bytes = Vec::with_capacity(3 * RECORD_HEADER_BYTES + vote.len() + 32);
            let first = Record {
                kind: Kind::HardState,
                last_of_batch: false,
                synced: 0,
                term: state.term,
                index: state.commit,
                payload: &vote,
            };
            first.encode(salt, &mut bytes);
            if let Some(head) = signed_head.filter(|_| !planted("a segment begins without the signed head")) {
                let signed = Record {
                    kind: Kind::SignedHead,
                    last_of_batch: false,
                    synced: 0,
                    term: 0,
                    index: head.size.0,
                    payload: head.root.as_bytes(),
                };
                signed.encode(salt, &mut bytes);
            }
            let last = Record {
                kind: Kind::Base,
                last_of_batch: true,
                synced: 0,
                term: base.term,
                index: base.index,
                payload: &[],
            };
            last.encode(salt, &mut bytes);
            bytes
        })?;
        self.synced = segment.length;
        self.segments.insert(number, segment);
        Ok(())
    }

    fn record<'a>(&self, kind: Kind, term: u64, index: u64, payload: &'a [u8]) -> Record<'a> {
        Record {
            kind,
            last_of_batch: false,
            synced: self.synced,
            term,
            index,
            payload,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        #[cfg(test)]
        let planted = self.faults.write;
        #[cfg(test)]
        assert!(!self.faults.panic, "planted");
        let current = self.segments.last_entry().expect("the log has a segment").into_mut();
        #[cfg(test)]
        if planted {
            return Err(io("write", &current.path)(std::io::Error::other("planted")));
        }
        current.append(bytes).map_err(io("write", &current.path))
    }

    fn current(&self) -> &Segment {
        self.segments.last_key_value().expect("the log has a segment").1
    }

    fn first_needed_segment(&self) -> u64 {
        self.slots.front().map_or(self.current().number, |slot| slot.segment)
    }

    /// Oldest first, so that what a crash leaves is still a run without gaps.
    fn remove_segments_below(&mut self, number: u64) -> Result<(), Error> {
        let kept = self.segments.split_off(&number);
        let gone = std::mem::replace(&mut self.segments, kept);
        for segment in gone.values() {
            self.disk.remove_file(&segment.path)?;
        }
        if gone.is_empty() {
            Ok(())
        } else {
            self.disk.sync_dir(&self.dir)
        }
    }

    fn check_poison(&self) -> Result<(), Error> {
        match &self.poison {
            Some(reason) => Err(Error::Stopped {
                reason: format!("the raft log failed: {reason}"),
            }),
            None => Ok(()),
        }
    }
}
