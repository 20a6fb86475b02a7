//! A data file against the `add` actions that name it: size first, its BLAKE3 only where the size is right.

use crate::commit_file::{AddedFile, storage_path};
use crate::error::Error;
use crate::source::OpenFile;
use crate::text::hex_encode;

/// Bytes of data files that one check hashes though only a forged commit names them: to say more about the forgery, yet
/// not to be kept busy by a forger who names a file without end.
pub const FORGED_DATA_BYTES_MAX: u64 = 256 << 20;

/// What a data file was found to be.
pub(crate) enum Found {
    /// Not hashed: its size, which no `add` action names, says enough.
    WrongSize,
    /// Hashed to its end.
    Hashed {
        /// Bytes that were read.
        size: u64,
        /// BLAKE3 of them.
        blake3: [u8; 32],
    },
    /// Only a forged commit names a file of this size, and more than `FORGED_DATA_BYTES_MAX` would be hashed.
    OnlyForged,
}

/// Hashes data files, and counts what it spends on those that only a forged commit names.
pub(crate) struct Hasher {
    forged_bytes_left: u64,
}

impl Hasher {
    pub(crate) fn new() -> Hasher {
        Hasher {
            forged_bytes_left: FORGED_DATA_BYTES_MAX,
        }
    }

    /// Hashes `file` if it is worth it. `candidates` are the sizes that `add` actions give it, each with whether its
    /// commit is genuine.
    ///
    /// # Errors
    /// Those of the file's reader.
    pub(crate) fn find(
        &mut self,
        file: OpenFile<'_>,
        candidates: impl Iterator<Item = (u64, bool)>,
    ) -> std::io::Result<Found> {
        let fitting: Vec<_> = candidates.filter(|(size, _)| *size == file.size).collect();
        if fitting.is_empty() {
            return Ok(Found::WrongSize);
        }
        if !fitting.iter().any(|(_, genuine)| *genuine) {
            let Some(left) = self.forged_bytes_left.checked_sub(file.size) else {
                return Ok(Found::OnlyForged);
            };
            self.forged_bytes_left = left;
        }
        let (size, blake3) = file.digest()?;
        Ok(Found::Hashed { size, blake3 })
    }
}

impl AddedFile {
    /// How a file of this size, and if it was hashed of this BLAKE3, differs from the one that was added; none when it
    /// is the same.
    pub(crate) fn difference(&self, size: u64, blake3: Option<&[u8; 32]>) -> Option<String> {
        if size != self.size {
            return Some(format!("it has {size} bytes instead of {}", self.size));
        }
        let found = blake3?;
        let Some(expected) = &self.blake3 else {
            return Some("the commit does not state its BLAKE3".to_owned());
        };
        (found != expected).then(|| {
            format!(
                "its BLAKE3 is {} instead of {}",
                hex_encode(found),
                hex_encode(expected)
            )
        })
    }
}

/// The adds whose path shares the most last segments with `path`, at least one; the segments of the store's name count.
pub(super) fn matching_adds(adds: &[AddedFile], path: &str) -> Vec<usize> {
    let given: Vec<_> = path.rsplit(['/', '\\']).collect();
    let shared: Vec<_> = adds.iter().map(|add| shared_segments(add, &given)).collect();
    let most = shared.iter().copied().max().unwrap_or(0);
    (0..adds.len()).filter(|add| most > 0 && shared[*add] == most).collect()
}

fn shared_segments(add: &AddedFile, given: &[&str]) -> usize {
    let stored: Result<String, Error> = storage_path(&add.path);
    let count = |path: &str| {
        path.rsplit('/')
            .zip(given)
            .take_while(|(segment, given)| segment == *given)
            .count()
    };
    count(&add.path).max(stored.map_or(0, |stored| count(&stored)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endless(size: u64) -> OpenFile<'static> {
        OpenFile {
            size,
            reader: Box::new(std::io::repeat(7)),
        }
    }

    #[test]
    fn file_of_a_size_that_no_commit_names_is_not_hashed() {
        let mut hasher = Hasher::new();
        let found = hasher.find(endless(u64::MAX), [(4, true), (5, false)].into_iter());
        assert!(matches!(found, Ok(Found::WrongSize)));
        let found = hasher.find(endless(4), [(4, true)].into_iter());
        assert!(matches!(found, Ok(Found::Hashed { size: 4, .. })));
    }

    #[test]
    fn files_that_only_forged_commits_name_are_hashed_up_to_the_limit_in_all() {
        let mut hasher = Hasher::new();
        let forged = |hasher: &mut Hasher, size| hasher.find(endless(size), [(size, false)].into_iter()).unwrap();
        assert!(matches!(forged(&mut hasher, u64::MAX), Found::OnlyForged));
        assert!(matches!(forged(&mut hasher, 100), Found::Hashed { .. }));
        assert!(matches!(
            forged(&mut hasher, FORGED_DATA_BYTES_MAX - 99),
            Found::OnlyForged
        ));
        // what a genuine commit names is always hashed
        let found = hasher.find(endless(1000), [(1000, false), (1000, true)].into_iter());
        assert!(matches!(found, Ok(Found::Hashed { .. })));
    }
}
