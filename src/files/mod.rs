//! Files without domain words: whole reads (plain, `.zst` or `.gz`), CSV tables, hashes, and directories
//! that appear complete or not at all. Every room that touches the disk goes through here.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

mod atomic;
mod digest;
mod number;
mod size;
mod table;

pub use atomic::{NewDir, put_in_place, write_file};
pub use digest::{Hasher, sha256_hex};
pub use size::size_of;
pub use table::{Column, Row, Table, TableWriter};

/// Compression level of the `.zst` files that we write: fast to write, and close to the best size
/// for columns of times.
const ZSTD_LEVEL: i32 = 9;

/// What can be wrong with a file, with the place and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive: `read`, `write`, `rename`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Both `name` and `name.zst` exist, so it is unclear which one counts.
    #[error("both {} and its .zst exist: remove one of them", path.display())]
    Twice {
        /// The uncompressed path.
        path: PathBuf,
    },
    /// Bytes that are not UTF-8.
    #[error("{}:{line}: not UTF-8: write the file as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// First line with such bytes.
        line: u64,
    },
    /// A CSV file without a header line.
    #[error("{}: empty: expected a header line with `{column}`", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// A column that is needed.
        column: String,
    },
    /// A required CSV column is absent.
    #[error("{}:1: missing column `{column}`: the header has {present}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// Its name.
        column: String,
        /// What the header has.
        present: String,
    },
    /// A CSV column is named twice.
    #[error("{}:1: column `{column}` stands twice in the header: remove one of them", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// Its name.
        column: String,
    },
    /// A CSV row with more or fewer fields than the header.
    #[error("{}:{line}: ragged row: {found} fields where the header has {expected}", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: u64,
        /// Fields in the header.
        expected: usize,
        /// Fields in the row.
        found: usize,
    },
    /// A value that does not fit its column, or its neighbours.
    #[error("{}:{line}: column `{column}`: {problem}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: u64,
        /// The column's name.
        column: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A JSON document that does not parse or does not fit its type.
    #[error("{}:{line}:{column}: {problem}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A file of a version that this simgate does not know.
    #[error(
        "{}: schema version {found}, but this simgate reads 1 to {supported}: update simgate, or write the file again",
        path.display()
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// The version it carries.
        found: u32,
        /// The newest one known here.
        supported: u32,
    },
    /// A directory that is not ours to replace.
    #[error("{} exists and was not written by simgate: choose another directory, or remove it", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
}

impl FileError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// A JSON error with its position in `path`.
    pub(crate) fn json(path: &Path, error: &serde_json::Error) -> Self {
        // serde_json appends the position to its message; ours stands in front.
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self::Json { path: path.to_owned(), line: error.line(), column: error.column(), problem }
    }
}

/// Finds `name` or `name.zst` in `dir`.
///
/// # Errors
/// [`FileError::Twice`] when both exist.
pub fn find(dir: &Path, name: &str) -> Result<Option<PathBuf>, FileError> {
    let plain = dir.join(name);
    let packed = dir.join(format!("{name}.zst"));
    match (is_file(&plain)?, is_file(&packed)?) {
        (true, true) => Err(FileError::Twice { path: plain }),
        (true, false) => Ok(Some(plain)),
        (false, true) => Ok(Some(packed)),
        (false, false) => Ok(None),
    }
}

/// Whether there is a file, not whether it could be seen: one behind a closed folder or a broken link is
/// an error, never an absent file.
fn is_file(path: &Path) -> Result<bool, FileError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(FileError::io("read", path, io::Error::other("it is no file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => Ok(false),
        Err(error) => Err(FileError::io("read", path, error)),
    }
}

/// Reads a whole file, unpacking it when its name ends in `.zst` or `.gz`.
///
/// # Errors
/// [`FileError::Io`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = fs::read(path).map_err(|e| FileError::io("read", path, e))?;
    let unpacked = match path.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => zstd::decode_all(&bytes[..]),
        Some("gz") => gunzip(&bytes),
        _ => return Ok(bytes),
    };
    unpacked.map_err(|e| FileError::io("unpack", path, e))
}

fn gunzip(packed: &[u8]) -> io::Result<Vec<u8>> {
    // The last four bytes are the unpacked size. It only saves moves of the buffer, so a false one is harmless,
    // but no reason to take much memory: deflate packs a thousandfold at most.
    let size = packed.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let mut bytes = Vec::with_capacity(size.min(packed.len().saturating_mul(1032)));
    flate2::bufread::MultiGzDecoder::new(packed).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a whole file as text, unpacking it when its name ends in `.zst` or `.gz`.
///
/// # Errors
/// [`FileError::Io`], or [`FileError::NotUtf8`] with the first bad line.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let bytes = read_bytes(path)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&b| b == b'\n').count() as u64;
        FileError::NotUtf8 { path: path.to_owned(), line }
    })
}

/// Reads a JSON document into `T`.
///
/// # Errors
/// [`FileError::Json`] with line and column.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|e| FileError::json(path, &e))
}

/// Writes `bytes` to `path`, packed when the name ends in `.zst`. Not atomic: for files inside a
/// [`NewDir`].
///
/// # Errors
/// [`FileError::Io`].
pub fn write_inside(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let packed;
    let bytes = if path.extension().is_some_and(|e| e == "zst") {
        packed = zstd::encode_all(bytes, ZSTD_LEVEL).map_err(|e| FileError::io("pack", path, e))?;
        &packed[..]
    } else {
        bytes
    };
    fs::write(path, bytes).map_err(|e| FileError::io("write", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_and_plain_text_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.csv", "b.csv.zst"] {
            let path = dir.path().join(name);
            write_inside(&path, b"x,y\n1,2\n").unwrap();
            assert_eq!(read_text(&path).unwrap(), "x,y\n1,2\n");
        }
    }

    #[test]
    fn a_gzip_file_is_unpacked_and_a_broken_one_named() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv.gz");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"x\n1\n").unwrap();
        let packed = encoder.finish().unwrap();
        fs::write(&path, &packed).unwrap();
        assert_eq!(read_text(&path).unwrap(), "x\n1\n");
        fs::write(&path, &packed[..packed.len() - 9]).unwrap();
        let message = read_text(&path).unwrap_err().to_string();
        assert!(message.contains("cannot unpack") && message.contains("a.csv.gz"), "{message}");
    }

    #[test]
    fn a_file_and_its_packed_twin_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.csv"), "").unwrap();
        fs::write(dir.path().join("a.csv.zst"), "").unwrap();
        let message = find(dir.path(), "a.csv").unwrap_err().to_string();
        assert!(message.ends_with("a.csv and its .zst exist: remove one of them"), "{message}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_named_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, b"x\n1\n\xff\n").unwrap();
        let message = read_text(&path).unwrap_err().to_string();
        assert!(message.contains("a.csv:3: not UTF-8"), "{message}");
    }
}
