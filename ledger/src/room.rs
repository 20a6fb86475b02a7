//! Room on the disk, looked for before an entry is taken.
//!
//! A committed entry has to be applied: entries, tiles and the checkpoint have to be written, and a node that cannot write
//! them stops. So a proposal is refused, with nothing written, while there is less room than the largest entry takes;
//! reads go on. Others may fill the disk between the look and the write; then the node stops and replays at its next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;
use crate::disk::Disk;

/// Bytes that must be free on each disk before an entry is taken: the files of one entry, with room to flush and to stop.
pub(crate) const ROOM_BYTES_MIN: u64 = 4 << 20;

/// The disks that a node writes to.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    disk: Arc<dyn Disk>,
    folders: Vec<PathBuf>,
}

impl Room {
    /// Looks at the disks of these folders.
    pub(crate) fn of(disk: Arc<dyn Disk>, folders: &[&Path]) -> Self {
        Self {
            disk,
            folders: folders.iter().map(|folder| folder.to_path_buf()).collect(),
        }
    }

    /// # Errors
    ///
    /// [`Error::NoRoom`] when a disk has less than [`ROOM_BYTES_MIN`] free. A disk that does not tell has room.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for folder in &self.folders {
            let Some(free_bytes) = self.disk.free_bytes(folder) else {
                continue;
            };
            if free_bytes < ROOM_BYTES_MIN {
                return Err(Error::NoRoom { free_bytes });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    #[test]
    fn a_disk_with_room_passes_and_a_folder_that_is_not_there_is_no_reason_to_refuse() {
        assert!(
            Room::of(
                Arc::new(LocalDisk),
                &[&std::env::temp_dir(), Path::new("no/such/folder")]
            )
            .check()
            .is_ok()
        );
    }
}
