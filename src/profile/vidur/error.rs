//! What can be wrong with a Vidur bundle.

use std::path::PathBuf;

use thiserror::Error;

use crate::files::FileError;

/// Why a bundle cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum VidurError {
    /// A file that cannot be read, or a row that is faulty or of another model.
    #[error(transparent)]
    File(#[from] FileError),
    /// An op that the bundle says nothing about.
    #[error(
        "{}: the bundle has no op `{op}`: looked for {looked}; bring Vidur's table of it, or the profile that it is fitted to",
        path.display()
    )]
    MissingOp {
        /// The bundle.
        path: PathBuf,
        /// The op.
        op: &'static str,
        /// The files that would have it.
        looked: String,
    },
    /// Two files that say the same.
    #[error("{} and {} are both {what}: remove one of them", first.display(), second.display())]
    Twice {
        /// What they are.
        what: String,
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A profile that was measured, but not so.
    #[error(
        "{}: no rows with {asked} in column `{column}`: the file has {present}; profile that, or ask for what is there",
        path.display()
    )]
    NoRows {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The value that is needed.
        asked: u32,
        /// The values that are there.
        present: String,
    },
    /// A table with a hole.
    #[error(
        "{}: no row for {missing}, though the rows around it are there: write Vidur's table whole",
        path.display()
    )]
    Hole {
        /// The file.
        path: PathBuf,
        /// The variables' values.
        missing: String,
    },
}
