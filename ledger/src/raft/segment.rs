//! One file of the raft log.
//!
//! A segment is named `<number, 20 decimal digits>.segment` and begins with a header of 32 bytes, little-endian:
//!
//! | offset | bytes | field | meaning |
//! | --- | --- | --- | --- |
//! | 0 | 8 | `magic` | `DABRLOG1`: what this is, and the version of the format |
//! | 8 | 8 | `number` | the segment's number, as in its name |
//! | 16 | 8 | `salt` | random; part of every record's checksum |
//! | 24 | 4 | `reserved` | zero |
//! | 28 | 4 | `crc32c` | over bytes 0..28 |
//!
//! After it come batches of records (`record.rs`) without padding. The first batch holds the hard state and the base as
//! they stood when the segment was made, so that earlier segments can go. The salt keeps bytes that a client chose from
//! passing for a record when the end of a log is examined after a crash.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::disk::{Disk, DiskFile};
use crate::durable::{Access, io};

/// Bytes before the first record.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"DABRLOG1";
const SUFFIX: &str = ".segment";

/// An open segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) salt: [u8; 8],
    /// Bytes written, which is where the next record goes.
    pub(crate) length: u32,
    file: Box<dyn DiskFile>,
}

impl Segment {
    /// Makes a segment that holds `first_batch`, durable before it appears under its name.
    ///
    /// A crash before the rename leaves `new.segment`, which the next start removes; a crash after it leaves a whole
    /// segment. Hence a segment under its own name always has a valid header.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        first_batch: impl FnOnce(&[u8; 8]) -> Vec<u8>,
    ) -> Result<Self, Error> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|error| Error::Randomness {
            reason: error.to_string(),
        })?;
        let mut bytes = header(number, &salt).to_vec();
        bytes.extend_from_slice(&first_batch(&salt));
        let temporary = dir.join("new.segment");
        disk.write_through(&temporary, &bytes, Access::Owner)?;
        let path = dir.join(name(number));
        disk.rename(&temporary, &path)?;
        disk.sync_dir(dir)?;
        let file = disk.open(&path)?;
        Ok(Self {
            number,
            path,
            salt,
            length: bytes.len() as u32,
            file,
        })
    }

    /// Opens a segment and reads it whole.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, number: u64) -> Result<(Self, Vec<u8>), Error> {
        let path = dir.join(name(number));
        let corrupt = |reason: &str| Error::corrupt(&path, 0, reason);
        let bytes = disk
            .read(&path)?
            .ok_or_else(|| corrupt("the segment went while it was looked for"))?;
        if bytes.len() < SEGMENT_HEADER_BYTES {
            return Err(corrupt("the segment header is cut short"));
        }
        if u32::try_from(bytes.len()).is_err() {
            return Err(corrupt("the segment is longer than 4 GiB"));
        }
        let salt: [u8; 8] = bytes[16..24].try_into().expect("eight bytes");
        if bytes[..8] != MAGIC[..] {
            return Err(corrupt("the segment does not begin with DABRLOG1"));
        }
        if bytes[..SEGMENT_HEADER_BYTES] != header(number, &salt) {
            return Err(corrupt("the segment header's number or checksum does not match"));
        }
        let file = disk.open(&path)?;
        Ok((
            Self {
                number,
                path,
                salt,
                length: bytes.len() as u32,
                file,
            },
            bytes,
        ))
    }

    /// Writes at the end; durable only after [`Self::sync`].
    pub(crate) fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_at(bytes, u64::from(self.length))?;
        self.length += bytes.len() as u32;
        Ok(())
    }

    /// One fdatasync.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync()
    }

    /// Cuts a torn tail, durably.
    pub(crate) fn truncate(&mut self, length: u32) -> Result<(), Error> {
        self.file
            .set_length(u64::from(length))
            .map_err(io("truncate", &self.path))?;
        self.file.sync().map_err(io("sync", &self.path))?;
        self.length = length;
        Ok(())
    }

    /// Reads bytes that were written before.
    pub(crate) fn read(&self, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length as usize];
        self.file
            .read_at(&mut bytes, u64::from(offset))
            .map_err(io("read", &self.path))?;
        Ok(bytes)
    }
}

/// The numbers of the segments in a directory, ascending; a segment that was never finished is removed.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for file_name in disk.list(dir)? {
        let path = dir.join(&file_name);
        if file_name == "new.segment" {
            disk.remove_file(&path)?;
            continue;
        }
        let number = file_name.strip_suffix(SUFFIX).and_then(|digits| digits.parse().ok());
        match number {
            Some(number) if name(number) == file_name => numbers.push(number),
            _ => return Err(Error::corrupt(&path, 0, "not a segment of the raft log")),
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn name(number: u64) -> String {
    format!("{number:020}{SUFFIX}")
}

pub(super) fn header(number: u64, salt: &[u8; 8]) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut header = [0; SEGMENT_HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..24].copy_from_slice(salt);
    let crc = crc32c::crc32c(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    header
}
