//! Where the paths in a case lead.

use std::path::{Path, PathBuf};

use super::{Context, GateError};
use crate::case::Case;

/// A path of a case: beside the case file, in the folder of cases, or in the project.
pub(super) fn resolve(
    case: &Case,
    path: &Path,
    context: &Context<'_>,
) -> Result<PathBuf, GateError> {
    let beside = case.path.parent().unwrap_or(Path::new(""));
    let mut places =
        [beside, context.cases, context.root].map(|folder| folder.join(path)).into_iter();
    places.find(|p| p.exists()).ok_or_else(|| GateError::NoSuchPath {
        case: case.path.clone(),
        path: path.to_owned(),
        root: context.root.to_owned(),
    })
}
