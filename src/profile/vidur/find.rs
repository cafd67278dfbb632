//! Which files of a folder are what. Fitted tables lie in folders whose names begin with `predictions`, or
//! beside the profiles; they are called `<op>.csv`, or as Vidur's cache calls them.

use std::fs;
use std::path::{Path, PathBuf};

use super::VidurError;
use crate::files::{FileError, read_bytes};

const PACKINGS: [&str; 3] = [".csv", ".csv.gz", ".csv.zst"];
/// Ops whose profile bears the name of their fitted table: the header tells them apart.
const NAMED_ALIKE: [&str; 2] = ["all_reduce", "send_recv"];

/// The files of a bundle.
pub(super) struct Files {
    dir: PathBuf,
    /// Of the folder itself.
    top: Vec<PathBuf>,
    /// Of its folders of predictions.
    predictions: Vec<PathBuf>,
}

impl Files {
    pub(super) fn of(dir: &Path) -> Result<Self, VidurError> {
        let (mut top, mut predictions) = (Vec::new(), Vec::new());
        for path in entries(dir)? {
            if !path.is_dir() {
                top.push(path);
            } else if name(&path).starts_with("predictions") {
                predictions.extend(entries(&path)?);
            }
        }
        Ok(Self { dir: dir.to_owned(), top, predictions })
    }

    /// All tables and profiles, whatever their ops.
    pub(super) fn all(self) -> Vec<PathBuf> {
        let mut all = self.top;
        all.extend(self.predictions);
        all.retain(|path| stem_of(path).is_some());
        all.sort();
        all
    }

    /// The fitted table of `op`.
    pub(super) fn fitted(&self, op: &str) -> Result<Option<PathBuf>, VidurError> {
        let mut found: Vec<&PathBuf> =
            self.predictions.iter().filter(|path| is_table_of(path, op)).collect();
        for path in self.top.iter().filter(|path| is_table_of(path, op)) {
            if !NAMED_ALIKE.contains(&op) || is_fitted(path)? {
                found.push(path);
            }
        }
        one(&found, || format!("fitted tables of op `{op}`"))
    }

    /// The profile called `stem`.
    pub(super) fn profile(&self, stem: &str) -> Result<Option<PathBuf>, VidurError> {
        let mut found = Vec::new();
        for path in self.top.iter().filter(|path| stem_of(path) == Some(stem)) {
            if !NAMED_ALIKE.contains(&stem) || !is_fitted(path)? {
                found.push(path);
            }
        }
        one(&found, || format!("the profile `{stem}`"))
    }

    /// The error where neither a fitted table of `op` nor the profile `stem` is there.
    pub(super) fn missing(&self, op: &'static str, stem: &str) -> VidurError {
        let looked =
            format!("predictions*/{op}.csv, {op}.csv and {stem}.csv (each also as .gz or .zst)");
        VidurError::MissingOp { path: self.dir.clone(), op, looked }
    }
}

fn one(found: &[&PathBuf], what: impl FnOnce() -> String) -> Result<Option<PathBuf>, VidurError> {
    match found {
        [] => Ok(None),
        [path] => Ok(Some((*path).clone())),
        [first, second, ..] => Err(VidurError::Twice {
            what: what(),
            first: (*first).clone(),
            second: (*second).clone(),
        }),
    }
}

/// What a folder has, by name, so that no answer depends on the file system's order.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let read = |error| FileError::io("read", dir, error);
    let entries = fs::read_dir(dir).map_err(read)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry.map_err(read)?.path())).collect::<Result<_, FileError>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn stem_of(path: &Path) -> Option<&str> {
    PACKINGS.iter().find_map(|packing| name(path).strip_suffix(packing))
}

/// Whether the name is `<op>.csv`, or `<op>_<8 hex digits>_predictions.csv` as in Vidur's cache.
fn is_table_of(path: &Path, op: &str) -> bool {
    let rest = stem_of(path).and_then(|stem| stem.strip_prefix(op));
    rest.is_some_and(|rest| {
        let digest = rest.strip_prefix('_').and_then(|rest| rest.strip_suffix("_predictions"));
        rest.is_empty()
            || digest.is_some_and(|d| d.len() == 8 && d.bytes().all(|b| b.is_ascii_hexdigit()))
    })
}

/// Whether the header has a column of predictions.
fn is_fitted(path: &Path) -> Result<bool, FileError> {
    let bytes = read_bytes(path)?;
    let header = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(header.split(|&byte| byte == b',').any(|field| field.trim_ascii() == b"prediction"))
}
