//! Directories and files that appear complete or not at all: written to a temporary sibling, then
//! renamed. A process killed at any moment leaves the old one intact, where the file system can exchange
//! two names in one step.

use std::fs;
use std::path::{Path, PathBuf};

use super::FileError;

/// A directory under construction. [`NewDir::commit`] puts it in place; dropping it removes it.
#[derive(Debug)]
pub struct NewDir {
    target: PathBuf,
    temporary: PathBuf,
}

impl NewDir {
    /// Starts a directory that will become `target`. An existing `target` is replaced on commit
    /// only if it is empty or holds the file `marker`, which every directory of that kind has.
    ///
    /// # Errors
    /// [`FileError::Foreign`] for a directory of somebody else's, or [`FileError::Io`].
    pub fn create(target: &Path, marker: &str) -> Result<Self, FileError> {
        if target.exists() && !replaceable(target, marker) {
            return Err(FileError::Foreign { path: target.to_owned() });
        }
        sweep(target);
        let temporary = sibling(target);
        if temporary.exists() {
            // Only a killed process with our own number can have left it.
            fs::remove_dir_all(&temporary).map_err(|e| FileError::io("remove", &temporary, e))?;
        }
        fs::create_dir_all(&temporary).map_err(|e| FileError::io("create", &temporary, e))?;
        Ok(Self { target: target.to_owned(), temporary })
    }

    /// Where to write until the commit.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Puts the directory in place in one step.
    ///
    /// # Errors
    /// [`FileError::Io`]; the old directory is then still in place.
    pub fn commit(self) -> Result<(), FileError> {
        if self.target.exists() {
            // The old directory moves to our temporary name, and goes when `self` drops.
            exchange(&self.temporary, &self.target)
        } else {
            fs::rename(&self.temporary, &self.target)
                .map_err(|e| FileError::io("rename", &self.target, e))
        }
    }
}

impl Drop for NewDir {
    fn drop(&mut self) {
        // Nothing can be reported from here, and what stays behind is only a hidden sibling.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

/// Puts the complete directory `new` in the place of `target`, and removes what stood there. Both are on
/// one file system.
///
/// # Errors
/// [`FileError::Foreign`] where `target` is not of the kind that `marker` marks, or [`FileError::Io`];
/// the old directory is then still in place.
pub fn put_in_place(new: &Path, target: &Path, marker: &str) -> Result<(), FileError> {
    if !target.exists() {
        return fs::rename(new, target).map_err(|e| FileError::io("rename", target, e));
    }
    if !replaceable(target, marker) {
        return Err(FileError::Foreign { path: target.to_owned() });
    }
    exchange(new, target)?;
    if new.exists() {
        fs::remove_dir_all(new).map_err(|e| FileError::io("remove", new, e))?;
    }
    Ok(())
}

/// Writes a file through a temporary sibling.
///
/// # Errors
/// [`FileError::Io`]; the old file is then still in place.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| FileError::io("create", parent, e))?;
    }
    let temporary = sibling(path);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        FileError::io("write", path, e)
    })
}

/// Removes what killed processes left of earlier attempts at `target`. A process that still lives keeps
/// its own.
fn sweep(target: &Path) {
    let Some(name) = target.file_name().map(|n| n.to_string_lossy().into_owned()) else { return };
    let entries = target.parent().and_then(|parent| fs::read_dir(parent).ok());
    for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
        let other = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let process = other
            .strip_prefix(&format!(".{name}."))
            .and_then(|rest| rest.strip_suffix(".partial"))
            .filter(|process| process.parse::<u32>().is_ok());
        // Where there is no /proc, nothing says who lives.
        if process.is_some_and(|p| {
            Path::new("/proc/self").exists() && !Path::new("/proc").join(p).exists()
        }) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

fn sibling(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}

fn replaceable(dir: &Path, marker: &str) -> bool {
    dir.join(marker).exists()
        || dir.join(format!("{marker}.zst")).is_file()
        || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(new: &Path, old: &Path) -> Result<(), FileError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // Some network and overlay file systems cannot exchange.
        Err(_) => replace(new, old),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(new: &Path, old: &Path) -> Result<(), FileError> {
    replace(new, old)
}

/// Two renames, for file systems that cannot exchange two names in one step.
fn replace(new: &Path, old: &Path) -> Result<(), FileError> {
    // Killed between the two renames, this leaves the old directory under the name aside.
    let aside = sibling(old).with_extension("replaced");
    fs::rename(old, &aside).map_err(|e| FileError::io("rename", old, e))?;
    if let Err(error) = fs::rename(new, old) {
        let _ = fs::rename(&aside, old);
        return Err(FileError::io("rename", new, error));
    }
    fs::remove_dir_all(&aside).map_err(|e| FileError::io("remove", &aside, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_abandoned_directory_leaves_the_old_one_and_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("run");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("mark"), "old").unwrap();
        let new = NewDir::create(&target, "mark").unwrap();
        fs::write(new.path().join("mark"), "new").unwrap();
        drop(new);
        assert_eq!(fs::read_to_string(target.join("mark")).unwrap(), "old");
        assert_eq!(names(dir.path()), ["run"]);
    }

    #[test]
    fn a_commit_replaces_the_old_directory_and_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("run");
        for content in ["one", "two"] {
            let new = NewDir::create(&target, "mark").unwrap();
            fs::write(new.path().join("mark"), content).unwrap();
            new.commit().unwrap();
            assert_eq!(fs::read_to_string(target.join("mark")).unwrap(), content);
            assert_eq!(names(dir.path()), ["run"]);
        }
    }

    #[test]
    fn what_a_killed_process_left_is_swept_up() {
        let dir = tempfile::tempdir().unwrap();
        // Larger than any process number that Linux gives out.
        fs::create_dir(dir.path().join(".run.99999999.partial")).unwrap();
        let new = NewDir::create(&dir.path().join("run"), "mark").unwrap();
        new.commit().unwrap();
        assert_eq!(names(dir.path()), ["run"]);
    }

    #[test]
    fn a_foreign_directory_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "").unwrap();
        let message = NewDir::create(dir.path(), "mark").unwrap_err().to_string();
        assert!(message.contains("was not written by simgate"), "{message}");
    }
}
