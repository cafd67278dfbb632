//! Snapshots and cases belong together one to one. insta's own `--unreferenced` would also condemn
//! the snapshots of cases that were merely filtered out, so the files are compared instead.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::discover::CaseFile;
use super::{GateError, PROFILES};
use crate::case::Case;

/// Checks that every snapshot has a case, and every case with a baseline a snapshot.
///
/// # Errors
/// [`GateError::Pairing`] with every one that stands alone.
pub fn check_pairing(cases: &[CaseFile], baselines: &Path) -> Result<(), GateError> {
    let mut snapshots = BTreeSet::new();
    if baselines.is_dir() {
        walk(baselines, "", &mut snapshots)?;
    }
    let mut problems = Vec::new();
    for file in cases {
        // A faulty case reports itself; here it only must not lose its snapshot.
        let live_only = Case::read(&file.path).is_ok_and(|case| case.live_only);
        if !snapshots.remove(&file.relative) && !live_only {
            let name = &file.relative;
            problems.push(format!(
                "case {} has no snapshot baselines/{name}.snap: run it, then `cargo insta review`",
                file.name
            ));
        }
    }
    for name in snapshots {
        problems.push(format!(
            "snapshot baselines/{name}.snap has no case cases/{name}.yaml: remove it, or restore the case"
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(GateError::Pairing { problems }) }
}

fn walk(dir: &Path, prefix: &str, snapshots: &mut BTreeSet<String>) -> Result<(), GateError> {
    let io = |source| GateError::Io { path: dir.to_owned(), source };
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().map_err(io)?.is_dir() {
            if name != PROFILES {
                walk(&entry.path(), &format!("{prefix}{name}/"), snapshots)?;
            }
        } else if let Some(stem) = name.strip_suffix(".snap") {
            snapshots.insert(format!("{prefix}{stem}"));
        }
    }
    Ok(())
}
