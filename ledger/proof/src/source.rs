//! Where the public files of a ledger come from: a folder, a web server, memory. And a file that is open, but not read yet.

use std::io::Read;

use crate::error::Error;
use crate::leaf::{BodyDigest, BodyHasher};

/// Read access to the public files of a ledger. Paths are those of C2SP `tlog-tiles`: `checkpoint`,
/// `tile/0/x001/067.p/8`, `tile/entries/000`.
pub trait Source {
    /// The whole file, or `None` when there is none of that name.
    ///
    /// An implementation answers with the bytes as stored, undoes any content encoding of its transport, and refuses
    /// a file larger than `limit_of(path)` with `TooLarge`. For a partial tile or bundle that gave way to a wider one it
    /// may answer with the beginning of that: the bytes are the same. It need not check anything else: what it returns
    /// is not trusted.
    ///
    /// # Errors
    /// `Unavailable` when the file could not be looked for or not be read.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error>;
}

/// Bytes that the file at `path` has at most, by its kind.
pub fn limit_of(path: &str) -> usize {
    if path.starts_with("tile/entries/") {
        crate::tile::BUNDLE_BYTES_MAX
    } else if path.starts_with("tile/") {
        crate::tile::TILE_BYTES_MAX
    } else {
        crate::note::NOTE_BYTES_MAX
    }
}

/// An open file. Its size is known before a byte is read, so a file of the wrong size costs nothing, however large.
pub struct OpenFile<'a> {
    /// Its length in bytes. Nothing beyond is ever read.
    pub size: u64,
    /// Its bytes.
    pub reader: Box<dyn Read + 'a>,
}

impl<'a> From<&'a [u8]> for OpenFile<'a> {
    fn from(bytes: &'a [u8]) -> OpenFile<'a> {
        OpenFile {
            size: bytes.len() as u64,
            reader: Box::new(bytes),
        }
    }
}

impl OpenFile<'_> {
    /// Reads it into memory; `what` names it in errors.
    ///
    /// # Errors
    /// `TooLarge` above `limit` bytes, before any is read; `Unavailable` when it cannot be read.
    pub fn read_whole(self, what: &'static str, limit: usize) -> Result<Vec<u8>, Error> {
        if self.size > limit as u64 {
            let (actual, limit) = (self.size, limit as u64);
            return Err(Error::TooLarge { what, actual, limit });
        }
        self.read_start(what, limit)
    }

    /// Reads its first `bytes_max` bytes, or all if there are fewer; `what` names it in errors.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    pub fn read_start(self, what: &'static str, bytes_max: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let length = self.size.min(bytes_max as u64);
        match self.reader.take(length).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Error::Unavailable {
                path: format!("the {what}"),
                reason: error.to_string(),
            }),
        }
    }

    /// Bytes and BLAKE3 of what it holds.
    ///
    /// # Errors
    /// Those of the reader.
    pub(crate) fn digest(self) -> std::io::Result<(u64, [u8; 32])> {
        let mut hasher = blake3::Hasher::new();
        self.read_pieces(|piece| {
            hasher.update(piece);
        })?;
        Ok((hasher.count(), *hasher.finalize().as_bytes()))
    }

    /// What a leaf that binds it has to say.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn body_digest(self) -> std::io::Result<BodyDigest> {
        let mut hasher = BodyHasher::default();
        self.read_pieces(|piece| hasher.update(piece))?;
        Ok(hasher.finish())
    }

    fn read_pieces(self, mut take: impl FnMut(&[u8])) -> std::io::Result<()> {
        let mut reader = self.reader.take(self.size);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(bytes) => take(&buffer[..bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_size_nor_of_a_file_that_is_too_large() {
        let endless = |size| OpenFile {
            size,
            reader: Box::new(std::io::repeat(7)),
        };
        assert_eq!(endless(3).read_whole("file", 3).unwrap(), [7; 3]);
        assert_eq!(endless(3).read_start("file", 2).unwrap(), [7; 2]);
        assert_eq!(endless(5).digest().unwrap(), (5, *blake3::hash(&[7; 5]).as_bytes()));
        let refused = endless(u64::MAX).read_whole("file", 3).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("file has {} bytes, more than the limit of 3", u64::MAX)
        );
    }

    #[test]
    fn a_read_that_a_signal_interrupts_is_taken_up_again_and_one_that_fails_is_not() {
        struct Troubled(Vec<std::io::ErrorKind>);
        impl Read for Troubled {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                if let Some(kind) = self.0.pop() {
                    return Err(kind.into());
                }
                buffer[0] = 7;
                Ok(1)
            }
        }
        use std::io::ErrorKind::{Interrupted, TimedOut};
        let digest = |troubles| {
            let reader = Box::new(Troubled(troubles));
            OpenFile { size: 2, reader }.digest()
        };
        let whole = (2, *blake3::hash(&[7; 2]).as_bytes());
        assert_eq!(digest(vec![Interrupted, Interrupted]).unwrap(), whole);
        assert_eq!(digest(vec![TimedOut, Interrupted]).unwrap_err().kind(), TimedOut);
    }

    #[test]
    fn each_public_file_has_its_own_limit() {
        // 256 hashes of 32 bytes, 256 entries of 65,535 bytes with their lengths, one note
        for (path, limit) in [
            ("tile/0/000", 256 * 32),
            ("tile/entries/000", 256 * (2 + 65_535)),
            ("checkpoint", 1 << 20),
        ] {
            assert_eq!(limit_of(path), limit, "{path}");
        }
    }
}
