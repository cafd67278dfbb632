//! Vidur's fitted tables: whole numbers, and a time for each. One of them has half a million rows, so
//! lines are cut by hand, on all cores; what is in them is checked no less.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::VidurError;
use super::profiled::FILLED;
use super::tables::{Axis, Grid, Series};
use crate::files::{FileError, read_bytes};

const VALUE: &str = "prediction";
/// No variable is larger: tokens, sequences, or the square of a chunk.
const MOST: u32 = 1 << 30;
/// No op takes longer, ms: a day.
const MOST_MS: f64 = 86_400_000.0;
/// Below so many bytes a second thread costs more than it saves.
const LARGE: usize = 1 << 20;

/// The table of an op in one variable.
pub(super) fn series(
    path: &Path,
    op: &'static str,
    variable: &'static str,
) -> Result<Series, VidurError> {
    let table = Fitted::<1>::read(path, [variable])?;
    table.check(FILLED.contains(&op))?;
    let axis = axis(variable, table.rows.iter().map(|row| row.0[0]));
    let axis = Axis { step: 1, count: (axis.count - 1) * axis.step + 1, ..axis };
    let ms = table.fill([axis], |[x]| Some((x - axis.first) as usize))?;
    Ok(Series { op, variable, first: axis.first, ms })
}

/// The table of decode attention.
pub(super) fn decode(path: &Path) -> Result<Grid, VidurError> {
    let names = ["batch_size", "kv_cache_size"];
    let table = Fitted::<2>::read(path, names)?;
    table.check(false)?;
    table.grid("attn_decode", names)
}

/// The table of prefill attention, by the chunk's length where Vidur has its square.
pub(super) fn prefill(path: &Path) -> Result<Grid, VidurError> {
    let names = ["kv_cache_size", "prefill_chunk_size_squared"];
    let mut table = Fitted::<2>::read(path, names)?;
    table.check(false)?;
    for place in 0..table.rows.len() {
        let square = table.rows[place].0[1];
        let root = square.isqrt();
        if root * root != square {
            return Err(table.fault(place, names[1], format!("{square} is no square")));
        }
        table.rows[place].0[1] = root;
    }
    table.grid("attn_prefill", [names[0], "prefill_chunk_size"])
}

/// The rows of a table in file order.
struct Fitted<const N: usize> {
    path: PathBuf,
    bytes: Vec<u8>,
    rows: Vec<([u32; N], f64)>,
}

impl<const N: usize> Fitted<N> {
    fn read(path: &Path, names: [&'static str; N]) -> Result<Self, VidurError> {
        let bytes = read_bytes(path)?;
        let header = bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |end| end + 1);
        let layout = Layout::of(path, &bytes[..header], names)?;
        let pieces = pieces(&bytes, header);
        let parsed: Vec<Result<Vec<_>, Fault>> = std::thread::scope(|scope| {
            let parse = |piece: Range<usize>| {
                let (bytes, layout) = (&bytes, &layout);
                move || layout.parse(&bytes[piece.clone()], piece.start)
            };
            let Some((own, others)) = pieces.split_last() else { return Vec::new() };
            let others: Vec<_> = others.iter().map(|p| scope.spawn(parse(p.clone()))).collect();
            let own = parse(own.clone())();
            let joined = others.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            joined.chain([own]).collect()
        });
        let mut rows = Vec::new();
        for piece in parsed {
            let piece = piece.map_err(|fault| fault.at(path, &bytes))?;
            if rows.is_empty() {
                rows = piece;
            } else {
                rows.extend(piece);
            }
        }
        Ok(Self { path: path.to_owned(), bytes, rows })
    }

    /// A time of 0 is one that Vidur `filled` in for what was never measured; then the whole table is of zeros.
    fn check(&self, filled: bool) -> Result<(), VidurError> {
        if self.rows.is_empty() {
            return Err(self.fault(0, VALUE, "no rows".to_owned()));
        }
        let false_size =
            |row: &([u32; N], f64)| row.1 > MOST_MS || row.0.iter().any(|&key| key > MOST);
        if let Some(place) = self.rows.iter().position(false_size) {
            let problem =
                format!("no step is of more than {MOST}, or takes more than {MOST_MS:e} ms");
            return Err(self.fault(place, VALUE, problem));
        }
        if filled && self.rows.iter().all(|row| row.1 == 0.0) {
            return Ok(());
        }
        match self.rows.iter().position(|row| row.1 <= 0.0) {
            None => Ok(()),
            Some(place) => {
                let time = self.rows[place].1;
                Err(self.fault(place, VALUE, format!("{time} is no time above 0")))
            }
        }
    }

    /// A complaint about row number `place`, counted without the header.
    fn fault(&self, place: usize, column: &str, problem: String) -> VidurError {
        let lines = self.bytes.split(|&b| b == b'\n').enumerate();
        let mut filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
        let line = filled.nth(place + 1).map_or(1, |(line, _)| line as u64 + 1);
        let (path, column) = (self.path.clone(), column.to_owned());
        FileError::Value { path, line, column, problem }.into()
    }

    /// The times in the order of `place`; every value of the axes has to be there, once.
    fn fill(
        &self,
        axes: [Axis; N],
        place: impl Fn([u32; N]) -> Option<usize>,
    ) -> Result<Vec<f64>, VidurError> {
        let cells = axes.iter().map(|axis| u64::from(axis.count)).product::<u64>();
        // More holes than rows: the memory for them is not worth taking.
        let held = cells.min(2 * self.rows.len() as u64) as usize;
        let mut ms = vec![f64::NAN; held];
        let mut taken = 0;
        for (row, &(keys, time)) in self.rows.iter().enumerate() {
            let Some(place) = place(keys).filter(|&place| place < held) else { continue };
            if !ms[place].is_nan() {
                let problem = format!("{} stands there already", pairs(&axes, keys));
                return Err(self.fault(row, axes[0].variable, problem));
            }
            ms[place] = time;
            taken += 1;
        }
        if taken as u64 == cells {
            return Ok(ms);
        }
        let hole = ms.iter().position(|ms| ms.is_nan()).unwrap_or(held);
        let mut left = hole;
        let mut keys = [0; N];
        for (key, axis) in keys.iter_mut().zip(&axes).rev() {
            *key = axis.value(left % axis.count as usize);
            left /= axis.count as usize;
        }
        Err(VidurError::Hole { path: self.path.clone(), missing: pairs(&axes, keys) })
    }
}

impl Fitted<2> {
    fn grid(&self, op: &'static str, names: [&'static str; 2]) -> Result<Grid, VidurError> {
        let rows = axis(names[0], self.rows.iter().map(|row| row.0[0]));
        let columns = axis(names[1], self.rows.iter().map(|row| row.0[1]));
        let ms = self.fill([rows, columns], |[row, column]| {
            let place = (row - rows.first) / rows.step;
            let column = (column - columns.first) / columns.step;
            Some(place as usize * columns.count as usize + column as usize)
        })?;
        Ok(Grid { op, rows, columns, ms })
    }
}

fn pairs<const N: usize>(axes: &[Axis; N], keys: [u32; N]) -> String {
    let pair = |(axis, key): (&Axis, u32)| format!("{} {key}", axis.variable);
    axes.iter().zip(keys).map(pair).collect::<Vec<_>>().join(", ")
}

/// The coarsest axis that has all `values`, of which there is at least one.
fn axis(variable: &'static str, values: impl Iterator<Item = u32> + Clone) -> Axis {
    let first = values.clone().min().unwrap_or_default();
    let last = values.clone().max().unwrap_or_default();
    // Once the step is 1 it stays so, and equal neighbours change nothing.
    let (mut step, mut before) = (last - first, first);
    for value in values {
        if value != before && step > 1 {
            step = greatest_common_divisor(step, value - first);
        }
        before = value;
    }
    let step = step.max(1);
    Axis { variable, first, step, count: (last - first) / step + 1 }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The places of whole lines, about as many as there are cores.
fn pieces(bytes: &[u8], start: usize) -> Vec<Range<usize>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = ((bytes.len() - start) / LARGE + 1).min(cores);
    let (mut pieces, mut begin) = (Vec::new(), start);
    for piece in 1..=count {
        let aim = start + (bytes.len() - start) / count * piece;
        let end = if piece == count {
            bytes.len()
        } else {
            let rest = &bytes[aim.max(begin)..];
            rest.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| aim.max(begin) + at + 1)
        };
        pieces.push(begin..end);
        begin = end;
    }
    pieces
}

/// Where the columns stand.
struct Layout<const N: usize> {
    names: [&'static str; N],
    fields: usize,
    keys: [usize; N],
    value: usize,
}

/// What is wrong with a line.
struct Fault {
    /// A byte of it.
    at: usize,
    what: Wrong,
}

enum Wrong {
    Ragged { found: usize, expected: usize },
    Field { column: &'static str, problem: String },
}

impl Fault {
    fn at(self, path: &Path, bytes: &[u8]) -> VidurError {
        let line = 1 + bytes[..self.at].iter().filter(|&&b| b == b'\n').count() as u64;
        let path = path.to_owned();
        match self.what {
            Wrong::Ragged { found, expected } => FileError::Ragged { path, line, expected, found },
            Wrong::Field { column, problem } => {
                FileError::Value { path, line, column: column.to_owned(), problem }
            }
        }
        .into()
    }
}

impl<const N: usize> Layout<N> {
    fn of(path: &Path, header: &[u8], names: [&'static str; N]) -> Result<Self, VidurError> {
        let header = String::from_utf8_lossy(header.trim_ascii()).into_owned();
        let present: Vec<&str> = header.split(',').collect();
        let find = |name: &str| {
            present.iter().position(|field| *field == name).ok_or_else(|| {
                FileError::MissingColumn {
                    path: path.to_owned(),
                    column: name.to_owned(),
                    present: present.join(", "),
                }
            })
        };
        let mut keys = [0; N];
        for (key, name) in keys.iter_mut().zip(names) {
            *key = find(name)?;
        }
        Ok(Self { names, fields: present.len(), keys, value: find(VALUE)? })
    }

    fn parse(&self, piece: &[u8], start: usize) -> Result<Vec<([u32; N], f64)>, Fault> {
        // A row of Vidur's has some thirty bytes.
        let mut rows = Vec::with_capacity(piece.len() / 24);
        let mut at = start;
        for line in piece.split(|&b| b == b'\n') {
            if !line.trim_ascii().is_empty() {
                rows.push(self.row(line).map_err(|what| Fault { at, what })?);
            }
            at += line.len() + 1;
        }
        Ok(rows)
    }

    fn row(&self, line: &[u8]) -> Result<([u32; N], f64), Wrong> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (mut keys, mut value, mut found) = ([0; N], 0.0, 0);
        for (place, field) in line.split(|&b| b == b',').enumerate() {
            found = place + 1;
            if place == self.value {
                value = number(field).map_err(|problem| Wrong::Field { column: VALUE, problem })?;
            }
            for ((key, column), name) in keys.iter_mut().zip(self.keys).zip(self.names) {
                if place == column {
                    *key =
                        whole(field).map_err(|problem| Wrong::Field { column: name, problem })?;
                }
            }
        }
        if found == self.fields {
            Ok((keys, value))
        } else {
            Err(Wrong::Ragged { found, expected: self.fields })
        }
    }
}

fn number(field: &[u8]) -> Result<f64, String> {
    let parsed = std::str::from_utf8(field).ok().and_then(|text| text.parse::<f64>().ok());
    parsed
        .filter(|value| value.is_finite())
        .ok_or_else(|| format!("`{}` is not a finite number", String::from_utf8_lossy(field)))
}

fn whole(field: &[u8]) -> Result<u32, String> {
    // Nine digits cannot overflow.
    if !field.is_empty() && field.len() <= 9 && field.iter().all(u8::is_ascii_digit) {
        return Ok(field.iter().fold(0, |whole, digit| whole * 10 + u32::from(digit - b'0')));
    }
    let value = number(field)?;
    let whole = value as u32;
    if f64::from(whole) == value {
        Ok(whole)
    } else {
        Err(format!("`{}` is not a whole number of 0 or more", String::from_utf8_lossy(field)))
    }
}
