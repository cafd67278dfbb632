//! CSV tables with a header: columns are found by name, in any order, and every complaint names
//! file, line and column.

use std::path::{Path, PathBuf};

use super::{FileError, read_text, write_inside};

/// A table held in memory as text, read row by row.
pub struct Table {
    path: PathBuf,
    text: String,
    header: Vec<String>,
}

/// A column of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column(usize);

impl Table {
    /// Reads `path` (plain or `.zst`) and its header.
    ///
    /// # Errors
    /// A file that cannot be read, is not UTF-8, has no header, or names a column twice.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let text = read_text(path)?;
        let header = reader(&text)
            .byte_headers()
            .map(|record| record.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect())
            .unwrap_or_else(|_| Vec::<String>::new());
        for (i, name) in header.iter().enumerate() {
            if header[..i].contains(name) {
                return Err(FileError::DuplicateColumn {
                    path: path.to_owned(),
                    column: name.clone(),
                });
            }
        }
        Ok(Self { path: path.to_owned(), text, header })
    }

    /// The names of all columns, in file order.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The column called `name`.
    ///
    /// # Errors
    /// [`FileError::MissingColumn`], or [`FileError::NoHeader`] for an empty file.
    pub fn column(&self, name: &str) -> Result<Column, FileError> {
        if self.header.is_empty() {
            return Err(FileError::NoHeader { path: self.path.clone(), column: name.to_owned() });
        }
        self.optional(name).ok_or_else(|| FileError::MissingColumn {
            path: self.path.clone(),
            column: name.to_owned(),
            present: self.header.join(", "),
        })
    }

    /// The columns called `names`.
    ///
    /// # Errors
    /// As [`Table::column`], for the first that is missing.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[Column; N], FileError> {
        let mut columns = [Column(0); N];
        for (column, name) in columns.iter_mut().zip(names) {
            *column = self.column(name)?;
        }
        Ok(columns)
    }

    /// The column called `name`, if the table has it.
    pub fn optional(&self, name: &str) -> Option<Column> {
        self.header.iter().position(|h| h == name).map(Column)
    }

    /// A complaint about a table that ends too early.
    pub fn short(&self, column: &str, problem: String) -> FileError {
        let line = self.text.lines().count() as u64;
        FileError::Value { path: self.path.clone(), line, column: column.to_owned(), problem }
    }

    /// Calls `visit` with every row in file order.
    ///
    /// # Errors
    /// The first ragged row, or the first error of `visit`.
    pub fn for_each<E: From<FileError>>(
        &self,
        mut visit: impl FnMut(Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = reader(&self.text);
        let mut record = csv::ByteRecord::new();
        let mut lines = Lines { text: self.text.as_bytes(), at: 0, line: 1 };
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(false) => return Ok(()),
                Ok(true) => {}
                Err(error) => {
                    let source = std::io::Error::other(error.to_string());
                    return Err(FileError::io("parse", &self.path, source).into());
                }
            }
            let line = lines.line_of(record.position().map_or(0, csv::Position::byte) as usize);
            if record.len() != self.header.len() {
                return Err(FileError::Ragged {
                    path: self.path.clone(),
                    line,
                    expected: self.header.len(),
                    found: record.len(),
                }
                .into());
            }
            visit(Row { table: self, record: &record, line })?;
        }
    }
}

/// Counts lines. The CSV reader's own count passes over blank ones.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that the reader found at or after byte `start`, which never goes back.
    fn line_of(&mut self, start: usize) -> u64 {
        let newlines = |bytes: &[u8]| bytes.iter().filter(|&&b| b == b'\n').count() as u64;
        let rest = &self.text[start.min(self.text.len())..];
        let blank = rest.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        let begin = start + blank;
        self.line += newlines(&self.text[self.at..begin]);
        self.at = begin;
        self.line
    }
}

fn reader(text: &str) -> csv::Reader<&[u8]> {
    // Flexible, so that a ragged row gets our message instead of the crate's.
    csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes())
}

/// One row of a [`Table`].
pub struct Row<'a> {
    table: &'a Table,
    record: &'a csv::ByteRecord,
    line: u64,
}

impl Row<'_> {
    /// The row's line in the file, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The field as text.
    pub fn text(&self, column: Column) -> &str {
        // The whole file is UTF-8, and fields are cut at ASCII bytes.
        std::str::from_utf8(&self.record[column.0]).unwrap_or_default()
    }

    /// Whether the field is empty.
    pub fn is_empty(&self, column: Column) -> bool {
        self.record[column.0].is_empty()
    }

    /// The field as a non-negative integer.
    ///
    /// # Errors
    /// [`FileError::Value`] for anything else, numbers beyond u64 included.
    pub fn u64(&self, column: Column) -> Result<u64, FileError> {
        let field = &self.record[column.0];
        let mut value = 0_u64;
        for &byte in field {
            let digit = byte.wrapping_sub(b'0');
            let next = (digit <= 9)
                .then(|| value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit))))
                .flatten();
            match next {
                Some(next) => value = next,
                None => return Err(self.not_an_integer(column)),
            }
        }
        if field.is_empty() {
            return Err(self.not_an_integer(column));
        }
        Ok(value)
    }

    /// The field as a non-negative integer of 32 bits.
    ///
    /// # Errors
    /// [`FileError::Value`] for anything else.
    pub fn u32(&self, column: Column) -> Result<u32, FileError> {
        let value = self.u64(column)?;
        u32::try_from(value)
            .map_err(|_| self.problem(column, format!("{value} is beyond {}", u32::MAX)))
    }

    /// The field as an integer, or nothing when it is empty.
    ///
    /// # Errors
    /// As [`Row::u64`].
    pub fn optional_u64(&self, column: Column) -> Result<Option<u64>, FileError> {
        if self.is_empty(column) { Ok(None) } else { self.u64(column).map(Some) }
    }

    /// A complaint about this row's value in `column`.
    pub fn problem(&self, column: Column, problem: impl Into<String>) -> FileError {
        FileError::Value {
            path: self.table.path.clone(),
            line: self.line,
            column: self.table.header[column.0].clone(),
            problem: problem.into(),
        }
    }

    #[cold]
    fn not_an_integer(&self, column: Column) -> FileError {
        let text = self.text(column);
        let problem = if text.is_empty() {
            "empty, expected a non-negative integer".to_owned()
        } else if text.bytes().all(|b| b.is_ascii_digit()) {
            format!("{text} is beyond the largest 64-bit integer, {}", u64::MAX)
        } else {
            format!("`{text}` is not a non-negative integer")
        };
        self.problem(column, problem)
    }
}

/// Builds a CSV file in memory.
pub struct TableWriter(csv::Writer<Vec<u8>>);

#[expect(clippy::expect_used, reason = "writing to memory fails only on rows of unlike lengths")]
impl TableWriter {
    /// A table with these columns.
    pub fn new(header: &[&str]) -> Self {
        let mut writer = Self(csv::Writer::from_writer(Vec::new()));
        writer.row(header);
        writer
    }

    /// Adds a row; it has one field for each column.
    pub fn row<T: AsRef<[u8]>>(&mut self, fields: &[T]) {
        self.0.write_record(fields).expect("rows have the header's length");
    }

    /// The file's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("writing to memory cannot fail")
    }

    /// Writes the table to `path`, packed when its name ends in `.zst`.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn write(self, path: &Path) -> Result<(), FileError> {
        write_inside(path, &self.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table(content: &str) -> Table {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, content).unwrap();
        Table::open(&path).unwrap()
    }

    fn first_error(content: &str) -> String {
        let table = table(content);
        let column = match table.column("a") {
            Ok(column) => column,
            Err(error) => return error.to_string(),
        };
        let result: Result<(), FileError> = table.for_each(|row| row.u64(column).map(drop));
        result.unwrap_err().to_string()
    }

    #[test]
    fn columns_are_found_in_any_order() {
        let table = table("b,a\n1,2\n3,4\n");
        let column = table.column("a").unwrap();
        let mut seen = Vec::new();
        table.for_each(|row| row.u64(column).map(|v| seen.push(v))).unwrap();
        assert_eq!(seen, [2, 4]);
    }

    #[test]
    fn each_fault_names_its_place() {
        for (content, expected) in [
            ("b\n1\n", "t.csv:1: missing column `a`: the header has b"),
            ("", "t.csv: empty: expected a header line with `a`"),
            ("a\n\r\n\n1\n\nx\n", "t.csv:6: column `a`: `x` is not a non-negative integer"),
            ("a,b\n1,2\n3\n", "t.csv:3: ragged row: 1 fields where the header has 2"),
            ("a\n1\n-5\n", "t.csv:3: column `a`: `-5` is not a non-negative integer"),
            ("a\n1.5\n", "t.csv:2: column `a`: `1.5` is not a non-negative integer"),
            ("a,b\n,1\n", "t.csv:2: column `a`: empty, expected a non-negative integer"),
            (
                "a\n18446744073709551616\n",
                "t.csv:2: column `a`: 18446744073709551616 is beyond the largest 64-bit integer, 18446744073709551615",
            ),
        ] {
            let message = first_error(content);
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn a_column_named_twice_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, "a,a\n").unwrap();
        let message = Table::open(&path).err().unwrap().to_string();
        assert!(message.contains("column `a` stands twice"), "{message}");
    }

    proptest! {
        #[test]
        fn every_integer_survives_a_round_trip(values in prop::collection::vec(any::<u64>(), 0..20)) {
            let mut writer = TableWriter::new(&["a"]);
            values.iter().for_each(|v| writer.row(&[v.to_string()]));
            let table = table(std::str::from_utf8(&writer.into_bytes()).unwrap());
            let column = table.column("a").unwrap();
            let mut seen = Vec::new();
            table.for_each::<FileError>(|row| { seen.push(row.u64(column)?); Ok(()) }).unwrap();
            prop_assert_eq!(seen, values);
        }
    }
}
