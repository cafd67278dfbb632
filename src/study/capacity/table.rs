//! `capacity.csv`: written whole or in parts, read back, and put together again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::grid::Key;
use super::rows::{Found, Row};
use super::search::Outcome;
use super::slo::{Slo, Slos};
use crate::files::{self, Column, FileError, Table, TableWriter};

const INDEX: &str = "index";
const LABEL: &str = "label";
const GPUS: &str = "gpus";
const RATE: &str = "rate_per_s";
const RATE_PER_GPU: &str = "rate_per_gpu";
const OUTPUT: &str = "output_tokens_per_s";
const SIMULATIONS: &str = "simulations";
const OUTCOME: &str = "outcome";
const ERROR: &str = "error";

/// The outcome of a candidate that cannot be simulated.
const FAILED: &str = "failed";
/// In the name of a target's column, between its figure and its limit in ms.
const AT_MOST: &str = "_ms<=";

impl Outcome {
    /// All of them.
    const ALL: [Self; 3] = [Self::Found, Self::Unbounded, Self::Never];

    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Unbounded => "unbounded",
            Self::Never => "never",
        }
    }
}

impl Row {
    /// How its search ended, as in files: `found`, `unbounded`, `never` or `failed`.
    pub fn outcome(&self) -> &'static str {
        self.found.as_ref().map_or(FAILED, |found| found.outcome.as_str())
    }
}

/// A grid's results, or those of a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// The keys that the grid varies.
    pub keys: Vec<Key>,
    /// The targets.
    pub slos: Slos,
    /// Ascending by index.
    pub rows: Vec<Row>,
}

/// Why parts cannot be put together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// No file at all.
    #[error("there is nothing to put together: name the files of all partitions")]
    Empty,
    /// A part that cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Parts of unlike grids or targets.
    #[error(
        "{} and {} have unlike columns: put parts together that were made with the same --grid and --slo",
        first.display(), other.display()
    )]
    Unlike {
        /// A part.
        first: PathBuf,
        /// One that does not go with it.
        other: PathBuf,
    },
    /// A candidate that two parts hold.
    #[error("{}: candidate {index} stands in another row already: name each part once", path.display())]
    Twice {
        /// The later part.
        path: PathBuf,
        /// Its index.
        index: usize,
    },
    /// A candidate that no part holds.
    #[error("candidate {index} stands in no file: name the parts of all partitions")]
    Missing {
        /// Its index.
        index: usize,
    },
}

impl Results {
    /// The file's content.
    pub fn table(&self) -> TableWriter {
        let targets = self.slos.iter().map(|s| format!("{}{AT_MOST}{}", s.figure, s.limit_ms()));
        let targets: Vec<String> = targets.collect();
        let mut header = vec![INDEX, LABEL];
        header.extend(self.keys.iter().map(|key| key.as_str()));
        header.extend([GPUS, RATE, RATE_PER_GPU, OUTPUT]);
        header.extend(targets.iter().map(String::as_str));
        header.extend([SIMULATIONS, OUTCOME, ERROR]);
        let mut table = TableWriter::new(&header);
        self.rows.iter().for_each(|row| table.row(&self.fields(row)));
        table
    }

    fn fields(&self, row: &Row) -> Vec<String> {
        let mut fields = vec![row.index.to_string(), row.label.clone()];
        fields.extend(row.values.iter().cloned());
        fields.push(row.gpus.to_string());
        // Numbers in full: what is read back is what was written.
        let found =
            |value: &dyn Fn(&Found) -> String| row.found.as_ref().map(value).unwrap_or_default();
        fields.push(found(&|f| f.rate_per_s.to_string()));
        fields.push(found(&|f| row.per_gpu(f.rate_per_s).to_string()));
        fields.push(found(&|f| f.output_tokens_per_s.to_string()));
        for place in 0..self.slos.iter().len() {
            let figure = |f: &Found| f.figures_ms.get(place).map(ToString::to_string);
            fields.push(found(&|f| figure(f).unwrap_or_default()));
        }
        fields.push(found(&|f| f.simulations.to_string()));
        fields.extend([row.outcome().to_owned(), row.error.clone()]);
        fields
    }

    /// Reads a file, plain or `.zst`.
    ///
    /// # Errors
    /// A file that cannot be read, or that `simgate capacity` did not write, with the place.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let table = Table::open(path)?;
        let columns = Columns::of(&table, path)?;
        let mut rows = Vec::new();
        table.for_each::<FileError>(|row| {
            rows.push(columns.row(&row)?);
            Ok(())
        })?;
        rows.sort_by_key(|row| row.index);
        let keys = columns.keys.iter().map(|(key, _)| *key).collect();
        Ok(Self { keys, slos: columns.slos, rows })
    }

    /// Puts the files of a grid's partitions together.
    ///
    /// # Errors
    /// No file, a faulty one, files of unlike grids or targets, or a candidate that stands twice or not at all. That the
    /// last candidates are absent cannot be told.
    pub fn merge(paths: &[PathBuf]) -> Result<Self, MergeError> {
        let (first, rest) = paths.split_first().ok_or(MergeError::Empty)?;
        let mut all = Self::read(first)?;
        let mut seen = BTreeSet::new();
        let mut see = |path: &Path, rows: &[Row]| {
            let twice = rows.iter().find(|row| !seen.insert(row.index));
            twice.map_or(Ok(()), |row| {
                Err(MergeError::Twice { path: path.to_owned(), index: row.index })
            })
        };
        see(first, &all.rows)?;
        for path in rest {
            let part = Self::read(path)?;
            if (&part.keys, &part.slos) != (&all.keys, &all.slos) {
                return Err(MergeError::Unlike { first: first.clone(), other: path.clone() });
            }
            see(path, &part.rows)?;
            all.rows.extend(part.rows);
        }
        all.rows.sort_by_key(|row| row.index);
        match all.rows.iter().enumerate().find(|(place, row)| row.index != *place) {
            Some((index, _)) => Err(MergeError::Missing { index }),
            None => Ok(all),
        }
    }
}

/// Where everything stands in one file.
struct Columns {
    keys: Vec<(Key, Column)>,
    slos: Slos,
    targets: Vec<Column>,
    /// Index, label, GPUs, rate, output tokens, simulations, outcome, error.
    fixed: [Column; 8],
}

impl Columns {
    fn of(table: &Table, path: &Path) -> Result<Self, FileError> {
        let fixed = [INDEX, LABEL, GPUS, RATE, OUTPUT, SIMULATIONS, OUTCOME, ERROR];
        let known = fixed.into_iter().chain([RATE_PER_GPU]);
        let known: Vec<&str> = known.collect();
        let fault = |name: &str, problem: String| FileError::Value {
            path: path.to_owned(),
            line: 1,
            column: name.to_owned(),
            problem,
        };
        let (mut keys, mut slos, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        let fixed = table.columns(fixed)?;
        for name in table.header().iter().filter(|name| !known.contains(&name.as_str())) {
            let column = table.column(name)?;
            if let Some((figure, limit)) = name.split_once(AT_MOST) {
                let slo = format!("{figure}={limit}ms").parse::<Slo>();
                slos.push(slo.map_err(|error| fault(name, error.to_string()))?);
                targets.push(column);
            } else if let Some(key) = Key::ALL.into_iter().find(|key| key.as_str() == name) {
                keys.push((key, column));
            } else {
                let problem = "not a column of simgate capacity: name files that it wrote";
                return Err(fault(name, problem.to_owned()));
            }
        }
        let slos = Slos::new(slos).map_err(|error| fault(OUTPUT, error.to_string()))?;
        Ok(Self { keys, slos, targets, fixed })
    }

    fn row(&self, row: &files::Row<'_>) -> Result<Row, FileError> {
        let [index, label, gpus, rate, output, simulations, outcome, error] = self.fixed;
        let word = row.text(outcome);
        let found = match Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == word) {
            None if word == FAILED => None,
            None => {
                let problem = format!("`{word}` is not one of found, unbounded, never, failed");
                return Err(row.problem(outcome, problem));
            }
            Some(outcome) => Some(Found {
                outcome,
                rate_per_s: number(row, rate)?,
                output_tokens_per_s: number(row, output)?,
                figures_ms: self
                    .targets
                    .iter()
                    .map(|c| number(row, *c))
                    .collect::<Result<_, _>>()?,
                simulations: row.u32(simulations)?,
            }),
        };
        let place = usize::try_from(row.u64(index)?);
        Ok(Row {
            index: place.map_err(|_| row.problem(index, "beyond any grid"))?,
            label: row.text(label).to_owned(),
            values: self.keys.iter().map(|(_, column)| row.text(*column).to_owned()).collect(),
            gpus: row.u64(gpus)?,
            found,
            error: row.text(error).to_owned(),
        })
    }
}

fn number(row: &files::Row<'_>, column: Column) -> Result<f64, FileError> {
    let text = row.text(column);
    let parsed = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    parsed.ok_or_else(|| row.problem(column, format!("`{text}` is not a number from 0")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn results(rates: &[f64]) -> Results {
        let slos = ["ttft.p99=500ms", "tbt.p99=0.5us"].map(|text| text.parse().unwrap());
        let row = |(index, rate): (usize, &f64)| Row {
            index,
            label: format!("policy=p{index}, \"odd\""),
            values: vec![format!("p{index}")],
            gpus: 4,
            found: (index % 3 != 2).then(|| Found {
                outcome: Outcome::ALL[index % 3],
                rate_per_s: *rate,
                output_tokens_per_s: rate * 7.0,
                figures_ms: vec![rate / 3.0, 0.1],
                simulations: 12,
            }),
            error: if index % 3 == 2 { "no, not this".to_owned() } else { String::new() },
        };
        Results {
            keys: vec![Key::Policy],
            slos: Slos::new(slos.to_vec()).unwrap(),
            rows: rates.iter().enumerate().map(row).collect(),
        }
    }

    /// Merges files of these contents.
    fn merged(contents: &[Vec<u8>]) -> Result<Results, String> {
        let dir = tempfile::tempdir().unwrap();
        let write = |(i, content): (usize, &Vec<u8>)| {
            let path = dir.path().join(format!("{i}.csv"));
            std::fs::write(&path, content).unwrap();
            path
        };
        let paths: Vec<PathBuf> = contents.iter().enumerate().map(write).collect();
        Results::merge(&paths).map_err(|error| error.to_string())
    }

    fn part(all: &Results, keep: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut part = all.clone();
        part.rows.retain(|row| keep(row.index));
        part.table().into_bytes()
    }

    #[test]
    fn parts_that_do_not_go_together_are_refused() {
        let all = results(&[1.0, 2.0, 3.0, 4.0]);
        let (even, odd) = (part(&all, |i| i % 2 == 0), part(&all, |i| i % 2 == 1));
        let mut other = all.clone();
        other.keys = vec![Key::Router];
        for (contents, expected) in [
            (vec![even.clone(), even.clone()], "candidate 0 stands in another row already"),
            (vec![even.clone()], "candidate 1 stands in no file"),
            (vec![even, part(&other, |i| i % 2 == 1)], "have unlike columns"),
            (vec![b"index,label\n".to_vec()], ":1: missing column `gpus`"),
            (vec![odd.replace_text("gpus,", "gpus,cost,")], "column `cost`: not a column of"),
            (vec![odd.replace_text("unbounded", "endless")], "`endless` is not one of found"),
            (vec![odd.replace_text("_ms<=500", "_ms<=0")], "no latency is 0"),
        ] {
            let message = merged(&contents).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        assert!(merged(&[]).unwrap_err().starts_with("there is nothing to put together"));
    }

    trait ReplaceText {
        fn replace_text(&self, from: &str, to: &str) -> Vec<u8>;
    }

    impl ReplaceText for Vec<u8> {
        fn replace_text(&self, from: &str, to: &str) -> Vec<u8> {
            let text = String::from_utf8(self.clone()).unwrap();
            assert!(text.contains(from), "{text}");
            text.replace(from, to).into_bytes()
        }
    }

    proptest! {
        #[test]
        fn any_parts_together_are_the_whole_to_the_bit(
            rates in prop::collection::vec(1e-9_f64..1e9, 1..20), of in 1_usize..5,
        ) {
            let all = results(&rates);
            // The last part first: order does not count.
            let parts: Vec<Vec<u8>> = (0..of).rev().map(|m| part(&all, |i| i % of == m)).collect();
            let merged = merged(&parts).unwrap();
            prop_assert_eq!(merged.table().into_bytes(), all.table().into_bytes());
            prop_assert_eq!(merged, all);
        }
    }
}
