//! What many cases read: kept as long as the files are the same, so that judging them all reads it once.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::profile::Profile;
#[cfg(feature = "candle")]
use crate::workload::HuggingFace;

/// Shared by all cases of a gate.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// By the profile's folder.
    pub profiles: Cache<Profile>,
    /// SHA-256 of files.
    pub contents: Cache<String>,
    /// By the folder of the tokenizer.
    #[cfg(feature = "candle")]
    pub tokenizers: Cache<HuggingFace>,
}

/// When files were written, and how long they are.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// Things by the path that they were read from.
pub(super) struct Cache<T>(Mutex<HashMap<PathBuf, (Stamp, Arc<T>)>>);

impl<T> Cache<T> {
    /// What `path` holds, which was read from `files`: read again only where one of them has changed.
    pub fn get<E>(
        &self,
        path: &Path,
        files: &[PathBuf],
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let stamp = |file: &PathBuf| {
            let meta = file.metadata().ok()?;
            Some((meta.modified().ok()?, meta.len()))
        };
        let stamps: Stamp = files.iter().map(stamp).collect();
        // Held while it is read: whoever asks meanwhile wants the same.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(path) {
            Some((stamp, thing)) if *stamp == stamps => Ok(Arc::clone(thing)),
            _ => {
                let thing = Arc::new(read()?);
                known.insert(path.to_owned(), (stamps, Arc::clone(&thing)));
                Ok(thing)
            }
        }
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn a_file_is_read_again_only_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let cache = Cache::default();
        let mut reads = 0;
        let mut get = || {
            let read = || {
                reads += 1;
                Ok::<_, Infallible>(std::fs::read_to_string(&path).unwrap())
            };
            cache.get(&path, std::slice::from_ref(&path), read).unwrap()
        };
        assert_eq!((&**get(), &**get()), ("one", "one"));
        std::fs::write(&path, "three").unwrap();
        assert_eq!(&**get(), "three");
        assert_eq!(reads, 2);
    }
}
