//! Segments of the raft log, for fuzzing: one file in memory, read as after a restart.

use std::path::Path;
use std::sync::Arc;

use super::log_storage::{LogStorage, SEGMENT_BYTES};
use super::record::{RECORD_HEADER_BYTES, checksum};
use super::scan::scan;
use super::segment::{self, SEGMENT_HEADER_BYTES, Segment};
use crate::Error;
use crate::disk::Disk;
use crate::durable::Access;
use crate::testing::decoders::RaftLog;
use crate::testing::sim_disk::SimDisk;

const DIR: &str = "raft";
const NUMBER: u64 = 1;

/// The whole batches of a segment that may end torn, or of one that may not, written again.
pub(crate) fn segment(bytes: &[u8], is_last: bool) -> Result<Vec<u8>, Error> {
    let disk = disk_with(bytes)?;
    let (segment, bytes) = Segment::open(&disk, Path::new(DIR), NUMBER)?;
    let scan = scan(&segment.path, &bytes, &segment.salt, is_last)?;
    let mut written = segment::header(NUMBER, &segment.salt).to_vec();
    for (_, record) in &scan.records {
        record.encode(&segment.salt, &mut written);
    }
    Ok(written)
}

/// What a raft log of this one segment holds; twice, since the first time may cut a torn tail.
pub(crate) fn raft_log_twice(bytes: &[u8]) -> Result<[RaftLog; 2], Error> {
    let disk = disk_with(bytes)?;
    Ok([read(&disk)?, read(&disk)?])
}

/// Makes the checksums right, of the header and of record after record, so that fuzzing gets behind them.
pub(crate) fn seal(segment: &mut [u8]) {
    let Some((header, mut rest)) = segment.split_first_chunk_mut::<SEGMENT_HEADER_BYTES>() else {
        return;
    };
    let salt: [u8; 8] = header[16..24].try_into().expect("eight bytes");
    *header = segment::header(NUMBER, &salt);
    while let Some(length) = rest.first_chunk() {
        let size = RECORD_HEADER_BYTES.saturating_add(u32::from_le_bytes(*length) as usize);
        let Some((record, after)) = rest.split_at_mut_checked(size) else {
            return;
        };
        let crc = checksum(&salt, record);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        rest = after;
    }
}

fn disk_with(bytes: &[u8]) -> Result<SimDisk, Error> {
    let disk = SimDisk::default();
    disk.write_through(&Path::new(DIR).join(segment::name(NUMBER)), bytes, Access::Owner)?;
    Ok(disk)
}

fn read(disk: &SimDisk) -> Result<RaftLog, Error> {
    let log = LogStorage::open(Arc::new(disk.clone()), Path::new(DIR), SEGMENT_BYTES)?;
    let (base, last) = (log.base(), log.last());
    // each entry is read back from where the scan says it lies
    let mut terms = Vec::new();
    for index in base.index + 1..=last.index {
        let entry = log.entry(index)?;
        terms.push(entry.expect("an entry between base and last").term);
    }
    Ok(RaftLog {
        base: base.index,
        committed: log.hard_state().commit,
        terms,
    })
}
