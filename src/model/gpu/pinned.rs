//! Host memory that the GPU copies from and to while the host goes on.

use candle_core::cuda_backend::cudarc::driver::{DriverError, result};

/// Page-locked words.
pub(super) struct Pinned {
    words: *mut u32,
    length: usize,
}

impl Pinned {
    /// `length` words, all 0.
    pub fn new(length: usize) -> Result<Self, DriverError> {
        #[expect(unsafe_code, reason = "page-locked memory comes from the driver")]
        // SAFETY: the driver returns `length` words, or an error; all bits of a word are valid.
        let words = unsafe {
            let words = result::malloc_host(length * size_of::<u32>(), 0)?.cast::<u32>();
            words.write_bytes(0, length);
            words
        };
        Ok(Self { words, length })
    }

    /// Where they begin.
    pub fn address(&self) -> *mut u32 {
        self.words
    }

    /// The words.
    pub fn as_slice(&self) -> &[u32] {
        #[expect(unsafe_code, reason = "page-locked memory comes from the driver")]
        // SAFETY: allocated with this length; the GPU writes only between a launch and its wait, and
        // the one owner waits first.
        unsafe {
            std::slice::from_raw_parts(self.words, self.length)
        }
    }

    /// The words, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u32] {
        #[expect(unsafe_code, reason = "page-locked memory comes from the driver")]
        // SAFETY: as above; the GPU reads only between a launch and its wait, and the one owner waits
        // before it writes.
        unsafe {
            std::slice::from_raw_parts_mut(self.words, self.length)
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "page-locked memory goes back to the driver")]
        // SAFETY: allocated by the driver, and never used again. A context that is gone took it along.
        unsafe {
            let _ = result::free_host(self.words.cast());
        }
    }
}
