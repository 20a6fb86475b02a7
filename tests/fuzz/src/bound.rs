//! How much memory a decoder may take, measured by an allocator that counts.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes of memory at once: a few, and some for each byte of the input. While a vector grows both its old and its new
/// room count.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Whatever the input.
    pub base: usize,
    /// For each byte of it.
    pub per_byte: usize,
}

impl Bound {
    /// What most decoders keep to: the input taken apart and written again, and an error that quotes it.
    pub const SMALL: Bound = Bound {
        base: 16 << 10,
        per_byte: 32,
    };

    /// For an input of so many bytes.
    pub fn of(&self, bytes: usize) -> usize {
        self.base + self.per_byte * bytes
    }
}

/// Does it, and says how many bytes more than before were in use at the worst moment. The allocator counts for the whole
/// process, so nothing else may go on meanwhile.
pub(crate) fn peak_of<T>(act: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let done = act();
    (done, ALLOCATOR.peak_usage().saturating_sub(before))
}
