//! Times in memory: dense arrays, addressed without a search.

use thiserror::Error;

/// A look-up outside what a bundle has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the Vidur bundle has op `{op}` for {variable} {low} to {high}, not {asked}: bring a table that reaches it, or let the engine put less into a step"
)]
pub struct OutsideTable {
    /// The op.
    pub op: &'static str,
    /// The variable that is out of range.
    pub variable: &'static str,
    /// What was asked for.
    pub asked: u64,
    /// Smallest in the table.
    pub low: u64,
    /// Largest in the table.
    pub high: u64,
}

/// Times of an op for every value of one variable between two.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub(super) op: &'static str,
    pub(super) variable: &'static str,
    pub(super) first: u32,
    /// ms; never empty.
    pub(super) ms: Vec<f64>,
}

impl Series {
    /// The time at `x`, ms.
    ///
    /// # Errors
    /// An `x` that the series does not have.
    pub fn at(&self, x: u32) -> Result<f64, OutsideTable> {
        let place = x.checked_sub(self.first).map(|place| place as usize);
        place.and_then(|place| self.ms.get(place)).copied().ok_or(OutsideTable {
            op: self.op,
            variable: self.variable,
            asked: u64::from(x),
            low: u64::from(self.first),
            high: u64::from(self.last()),
        })
    }

    /// The largest x.
    pub fn last(&self) -> u32 {
        self.first + (self.ms.len() as u32).saturating_sub(1)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.ms.iter().all(|&ms| ms == 0.0)
    }
}

/// The values `first`, `first + step`, ... of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// The variable.
    pub variable: &'static str,
    /// The smallest value.
    pub first: u32,
    /// Between two of them.
    pub step: u32,
    /// How many.
    pub count: u32,
}

impl Axis {
    fn place(&self, x: u32) -> Option<usize> {
        let past = x.checked_sub(self.first)?;
        let place = past / self.step;
        (place < self.count && place * self.step == past).then_some(place as usize)
    }

    pub(super) fn value(&self, place: usize) -> u32 {
        self.first + place as u32 * self.step
    }
}

/// Times of an op for pairs of two variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    pub(super) op: &'static str,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    /// ms, row by row; not a number where nothing was measured.
    pub(super) ms: Vec<f64>,
}

impl Grid {
    /// The time at (`row`, `column`), ms.
    ///
    /// # Errors
    /// A pair that the grid does not have.
    pub fn at(&self, row: u32, column: u32) -> Result<f64, OutsideTable> {
        let place = self.rows.place(row).zip(self.columns.place(column));
        let ms = place.map_or(f64::NAN, |(r, c)| self.ms[r * self.columns.count as usize + c]);
        if ms.is_nan() { Err(self.outside(row, column)) } else { Ok(ms) }
    }

    /// The rows' variable.
    pub fn rows(&self) -> Axis {
        self.rows
    }

    /// The columns' variable.
    pub fn columns(&self) -> Axis {
        self.columns
    }

    #[cold]
    fn outside(&self, row: u32, column: u32) -> OutsideTable {
        let whole = |axis: &Axis, asked: u32| OutsideTable {
            op: self.op,
            variable: axis.variable,
            asked: u64::from(asked),
            low: u64::from(axis.first),
            high: u64::from(axis.value(axis.count.saturating_sub(1) as usize)),
        };
        let Some(place) = self.rows.place(row) else { return whole(&self.rows, row) };
        let outside = whole(&self.columns, column);
        // A row may reach less far than the grid.
        let wide = self.columns.count as usize;
        let known = |&c: &usize| !self.ms[place * wide + c].is_nan();
        match ((0..wide).find(known), (0..wide).rfind(known)) {
            (Some(low), Some(high)) => OutsideTable {
                low: u64::from(self.columns.value(low)),
                high: u64::from(self.columns.value(high)),
                ..outside
            },
            _ => whole(&self.rows, row),
        }
    }

    pub(super) fn is_zero(&self) -> bool {
        self.ms.iter().all(|&ms| ms == 0.0 || ms.is_nan())
    }
}
