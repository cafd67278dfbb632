//! How much room a directory takes.

use std::fs;
use std::path::Path;

use super::FileError;

/// Bytes of all files in `dir`; 0 where it does not exist.
///
/// # Errors
/// [`FileError::Io`].
pub fn size_of(dir: &Path) -> Result<u64, FileError> {
    if !dir.is_dir() {
        return Ok(0);
    }
    let mut bytes = 0;
    for entry in fs::read_dir(dir).map_err(|e| FileError::io("read", dir, e))? {
        let entry = entry.map_err(|e| FileError::io("read", dir, e))?;
        let metadata = entry.metadata().map_err(|e| FileError::io("read", &entry.path(), e))?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
