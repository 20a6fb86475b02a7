//! A disk in memory that forgets what was not synced.
//!
//! It keeps two worlds: what the running replica sees, and what a power cut would leave. A crash keeps what was made
//! durable, and of the rest whatever the seed says: each write since the last sync is kept, lost, or torn at a sector;
//! of the changed names of a directory, the first few.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::Error;
use crate::disk::{Disk, DiskFile};
use crate::durable::{self, Access};

/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// A disk of one simulated replica. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// How the disk treats its replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFaults {
    /// Every write fails.
    pub fail_writes: bool,
    /// Every sync fails; what was written stays unsynced.
    pub fail_syncs: bool,
    /// A sync answers well and makes nothing durable.
    pub lie_about_syncs: bool,
    /// Writes and syncs that still succeed before every one fails; no bound where it is `None`.
    pub successes_left: Option<u64>,
    /// Bytes that the disk says are free; none where it does not tell.
    pub free_bytes: Option<u64>,
}

/// What a disk has done for its replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Writes.
    pub writes: u64,
    /// Syncs of files and directories.
    pub syncs: u64,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    /// Names as the running replica sees them.
    names: BTreeMap<PathBuf, usize>,
    /// Names as a power cut would leave them.
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable, in order, by directory.
    changes: BTreeMap<PathBuf, Vec<Change>>,
    faults: DiskFaults,
    counts: DiskCounts,
    /// Handles opened before the last crash are dead.
    generation: u64,
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    At(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Debug)]
enum Change {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl SimDisk {
    /// Cuts the power. `choose(n)` draws a number below `n`.
    pub fn crash(&self, choose: &mut dyn FnMut(usize) -> usize) {
        let mut state = self.state.lock();
        for changes in std::mem::take(&mut state.changes).into_values() {
            let kept = choose(changes.len() + 1);
            for change in changes.into_iter().take(kept) {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
        for inode in &mut state.inodes {
            for write in std::mem::take(&mut inode.unsynced) {
                match choose(3) {
                    0 => {}
                    1 => write.apply(&mut inode.durable),
                    _ => write.torn(choose).apply(&mut inode.durable),
                }
            }
            inode.bytes = inode.durable.clone();
        }
        state.generation += 1;
    }

    /// A copy of everything durable, as a backup taken now would be.
    pub fn backup(&self) -> Self {
        let state = self.state.lock();
        let inodes = state.inodes.iter().map(|inode| Inode {
            bytes: inode.durable.clone(),
            durable: inode.durable.clone(),
            unsynced: Vec::new(),
        });
        let copy = State {
            inodes: inodes.collect(),
            names: state.durable_names.clone(),
            durable_names: state.durable_names.clone(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(copy)),
        }
    }

    /// The files that a power cut now would leave for sure, with their bytes.
    pub(super) fn durable_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state.lock();
        let bytes = |inode: usize| state.inodes[inode].durable.clone();
        let files = state.durable_names.iter();
        files.map(|(path, inode)| (path.clone(), bytes(*inode))).collect()
    }

    /// Changes a byte of a file, on the disk and wherever it is kept.
    pub(super) fn change_byte(&self, path: &Path, at: usize, change: impl Fn(u8) -> u8) {
        let mut state = self.state.lock();
        let inodes = [state.durable_names.get(path), state.names.get(path)];
        let inodes: BTreeSet<usize> = inodes.into_iter().flatten().copied().collect();
        for inode in inodes {
            let Inode { bytes, durable, .. } = &mut state.inodes[inode];
            for bytes in [bytes, durable] {
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = change(*byte));
            }
        }
    }

    /// Sets how the disk treats its replica from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.state.lock().faults = faults;
    }

    /// What the disk has done so far.
    pub fn counts(&self) -> DiskCounts {
        self.state.lock().counts
    }
}

impl State {
    fn succeeds(&mut self) -> bool {
        match &mut self.faults.successes_left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn check_write(&mut self) -> std::io::Result<()> {
        self.counts.writes += 1;
        match self.faults.fail_writes || !self.succeeds() {
            true => Err(std::io::Error::other("the simulated disk does not write")),
            false => Ok(()),
        }
    }

    /// Whether a sync is to make anything durable.
    fn check_sync(&mut self) -> std::io::Result<bool> {
        self.counts.syncs += 1;
        match self.faults.fail_syncs || !self.succeeds() {
            true => Err(std::io::Error::other("the simulated disk does not sync")),
            false => Ok(!self.faults.lie_about_syncs),
        }
    }

    fn change(&mut self, change: Change) {
        let dir = durable::parent(change.path()).to_path_buf();
        change.clone().apply(&mut self.names);
        self.changes.entry(dir).or_default().push(change);
    }

    fn create(&mut self, path: &Path, bytes: &[u8]) -> usize {
        let inode = self.inodes.len();
        self.inodes.push(Inode {
            bytes: bytes.to_vec(),
            durable: Vec::new(),
            unsynced: vec![Write::At(0, bytes.to_vec())],
        });
        self.change(Change::Link(path.to_path_buf(), inode));
        inode
    }
}

impl Inode {
    fn sync(&mut self) {
        for write in self.unsynced.drain(..) {
            write.apply(&mut self.durable);
        }
    }

    fn write(&mut self, write: Write) {
        write.clone().apply(&mut self.bytes);
        self.unsynced.push(write);
    }
}

impl Write {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Write::At(offset, written) => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[offset..end].copy_from_slice(&written);
            }
            Write::Length(length) => bytes.resize(length, 0),
        }
    }

    /// The part of a write that was on the disk when the power went: whole sectors from its beginning.
    fn torn(self, choose: &mut dyn FnMut(usize) -> usize) -> Self {
        match self {
            Write::At(offset, mut written) => {
                written.truncate(choose(written.len() / SECTOR_BYTES + 1) * SECTOR_BYTES);
                Write::At(offset, written)
            }
            length => length,
        }
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Change::Link(path, _) | Change::Rename(_, path) | Change::Remove(path) => path,
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Link(path, inode) => {
                names.insert(path, inode);
            }
            Change::Rename(from, to) => {
                if let Some(inode) = names.remove(&from) {
                    names.insert(to, inode);
                }
            }
            Change::Remove(path) => {
                names.remove(&path);
            }
        }
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    durable::io(action, path)
}

fn missing(path: &Path) -> Error {
    io("open", path)(std::io::ErrorKind::NotFound.into())
}

impl Disk for SimDisk {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        let state = self.state.lock();
        Ok(state.names.get(path).map(|inode| state.inodes[*inode].bytes.clone()))
    }

    fn length(&self, path: &Path) -> Option<u64> {
        let state = self.state.lock();
        state
            .names
            .get(path)
            .map(|inode| state.inodes[*inode].bytes.len() as u64)
    }

    fn exists(&self, path: &Path) -> bool {
        self.state.lock().names.contains_key(path)
    }

    fn is_dir(&self, dir: &Path) -> bool {
        // a directory is there when a file is in it
        let state = self.state.lock();
        state.names.keys().any(|path| path.starts_with(dir))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>, Error> {
        let state = self.state.lock();
        let below = state.names.keys().filter_map(|path| path.strip_prefix(dir).ok());
        let names = below.filter_map(|rest| rest.components().next());
        let mut names: Vec<String> = names
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect();
        names.dedup();
        Ok(names)
    }

    fn create_dir(&self, _dir: &Path, _access: Access) -> Result<(), Error> {
        Ok(())
    }

    fn write_through(&self, path: &Path, bytes: &[u8], _access: Access) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.check_write().map_err(io("create", path))?;
        let inode = state.create(path, bytes);
        if state.check_sync().map_err(io("sync", path))? {
            state.inodes[inode].sync();
        }
        Ok(())
    }

    fn replace_unsynced(&self, path: &Path, _temporary: &Path, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.check_write().map_err(io("write", path))?;
        state.create(path, bytes);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.check_write().map_err(io("rename to", to))?;
        state.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), Error> {
        let mut state = self.state.lock();
        state.check_write().map_err(io("remove", path))?;
        state.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    fn remove_dir(&self, _dir: &Path) -> Result<(), Error> {
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> Result<(), Error> {
        let mut state = self.state.lock();
        let inode = *state.names.get(path).ok_or_else(|| missing(path))?;
        if state.check_sync().map_err(io("sync", path))? {
            state.inodes[inode].sync();
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.check_sync().map_err(io("sync directory", dir))? {
            for change in state.changes.remove(dir).unwrap_or_default() {
                change.apply(&mut state.durable_names);
            }
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DiskFile>, Error> {
        let state = self.state.lock();
        let inode = *state.names.get(path).ok_or_else(|| missing(path))?;
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
            generation: state.generation,
        }))
    }

    fn modified_unix_ms(&self, _path: &Path) -> Option<u64> {
        None
    }

    fn free_bytes(&self, _path: &Path) -> Option<u64> {
        self.state.lock().faults.free_bytes
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
    generation: u64,
}

impl SimFile {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> std::io::Result<T>) -> std::io::Result<T> {
        let mut state = self.disk.state.lock();
        match state.generation == self.generation {
            true => act(&mut state),
            false => Err(std::io::Error::other("the simulated machine has crashed")),
        }
    }
}

impl DiskFile for SimFile {
    fn length(&self) -> std::io::Result<u64> {
        self.with(|state| Ok(state.inodes[self.inode].bytes.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.with(|state| {
            let from = offset as usize;
            let bytes = state.inodes[self.inode].bytes.get(from..from + buffer.len());
            buffer.copy_from_slice(bytes.ok_or(std::io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.with(|state| {
            state.check_write()?;
            state.inodes[self.inode].write(Write::At(offset as usize, bytes.to_vec()));
            Ok(())
        })
    }

    fn set_length(&self, length: u64) -> std::io::Result<()> {
        self.with(|state| {
            state.check_write()?;
            state.inodes[self.inode].write(Write::Length(length as usize));
            Ok(())
        })
    }

    fn sync(&self) -> std::io::Result<()> {
        self.with(|state| {
            if state.check_sync()? {
                state.inodes[self.inode].sync();
            }
            Ok(())
        })
    }
}
