//! From measured points to dense tables: linear between two of them, never beyond. Where the same was
//! measured more than once, the mean counts.

use super::tables::{Axis, Grid, Series};

/// A measured time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point<const N: usize> {
    /// The op's variables.
    pub at: [f64; N],
    /// Its time.
    pub ms: f64,
    /// Where it stands in its file.
    pub line: u64,
}

/// Tokens in the cache are looked up in steps of so many.
const KV_STEP: u32 = 64;
/// More of one variable than any engine puts into a step, so that a false size takes no memory.
const MOST: f64 = 4_194_304.0;
/// Times of one op, likewise.
const MOST_CELLS: u64 = 1 << 27;

/// The time at every whole number that lies between two points; `None` without one.
pub(super) fn series(
    op: &'static str,
    variable: &'static str,
    points: &[Point<1>],
) -> Option<Series> {
    let line = line(points.iter().map(|point| (point.at[0], point.ms)));
    let first = line.first()?.0.ceil() as u32;
    let last = line.last()?.0.min(MOST).floor() as u32;
    let ms: Vec<f64> = (first..=last).map(|x| at(&line, f64::from(x))).collect();
    (!ms.is_empty()).then_some(Series { op, variable, first, ms })
}

/// The grid of decode attention: every batch size, and every 64 tokens in the cache.
pub(super) fn decode(points: &[Point<2>]) -> Option<Grid> {
    let lines = lines(points);
    let rows = axis("batch_size", lines.iter().map(|line| line.0), 1)?;
    let columns =
        axis("kv_cache_size", lines.iter().flat_map(|l| l.1.iter().map(|p| p.0)), KV_STEP)?;
    grid("attn_decode", &lines, rows, columns)
}

/// The grid of prefill attention: every 64 tokens in the cache, and every length of a chunk.
pub(super) fn prefill(points: &[Point<2>]) -> Option<Grid> {
    let lines = lines(points);
    let rows = axis("kv_cache_size", lines.iter().map(|line| line.0), KV_STEP)?;
    let columns =
        axis("prefill_chunk_size", lines.iter().flat_map(|l| l.1.iter().map(|p| p.0)), 1)?;
    grid("attn_prefill", &lines, rows, columns)
}

/// Points along one variable, ascending, each x once.
type Line = Vec<(f64, f64)>;

fn line(points: impl Iterator<Item = (f64, f64)>) -> Line {
    let mut points: Line = points.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mean = |same: &[(f64, f64)]| {
        let sum: f64 = same.iter().map(|point| point.1).sum();
        (same[0].0, sum / same.len() as f64)
    };
    points.chunk_by(|a, b| a.0 == b.0).map(mean).collect()
}

/// The lines along the second variable, for each value of the first.
fn lines(points: &[Point<2>]) -> Vec<(f64, Line)> {
    let mut points: Vec<&Point<2>> = points.iter().collect();
    points.sort_by(|a, b| a.at[0].total_cmp(&b.at[0]));
    let same = points.chunk_by(|a, b| a.at[0] == b.at[0]);
    same.map(|same| (same[0].at[0], line(same.iter().map(|p| (p.at[1], p.ms))))).collect()
}

/// The multiples of `step` within what was measured.
fn axis(
    variable: &'static str,
    values: impl Iterator<Item = f64> + Clone,
    step: u32,
) -> Option<Axis> {
    let low = values.clone().min_by(f64::total_cmp)?;
    let high = values.max_by(f64::total_cmp)?.min(MOST);
    let first = (low as u32).next_multiple_of(step);
    let count = (high as u32).checked_sub(first)? / step + 1;
    Some(Axis { variable, first, step, count })
}

/// `None` where a false size would take more memory than any profile needs.
fn grid(op: &'static str, lines: &[(f64, Line)], rows: Axis, columns: Axis) -> Option<Grid> {
    if u64::from(rows.count) * u64::from(columns.count) > MOST_CELLS {
        return None;
    }
    let mut ms = Vec::with_capacity(rows.count as usize * columns.count as usize);
    for row in 0..rows.count as usize {
        let row = f64::from(rows.value(row));
        let above = lines.partition_point(|line| line.0 < row);
        let Some(upper) = lines.get(above) else { break };
        let lower = if upper.0 == row { upper } else { &lines[above.saturating_sub(1)] };
        let share = if upper.0 == lower.0 { 0.0 } else { (row - lower.0) / (upper.0 - lower.0) };
        for column in 0..columns.count as usize {
            let column = f64::from(columns.value(column));
            let low = at(&lower.1, column);
            // A neighbour that does not reach so far makes the sum no number.
            ms.push(if share == 0.0 { low } else { low + (at(&upper.1, column) - low) * share });
        }
    }
    ms.resize(rows.count as usize * columns.count as usize, f64::NAN);
    Some(Grid { op, rows, columns, ms })
}

/// The value at `x`; not a number outside the points.
fn at(line: &[(f64, f64)], x: f64) -> f64 {
    let above = line.partition_point(|point| point.0 < x);
    let Some(&(x1, y1)) = line.get(above) else { return f64::NAN };
    if x1 == x {
        return y1;
    }
    match above.checked_sub(1).map(|below| line[below]) {
        Some((x0, y0)) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        None => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point<const N: usize>(at: [f64; N], ms: f64) -> Point<N> {
        Point { at, ms, line: 2 }
    }

    #[test]
    fn what_was_measured_twice_counts_with_its_mean() {
        let points = [point([1.0], 2.0), point([3.0], 6.0), point([1.0], 4.0)];
        assert_eq!(series("op", "num_tokens", &points).unwrap().ms, [3.0, 4.5, 6.0]);
    }

    #[test]
    fn sizes_of_parts_of_a_token_are_no_tokens_of_their_own() {
        let series = series("op", "num_tokens", &[point([0.5], 1.0), point([2.5], 5.0)]).unwrap();
        assert_eq!((series.first, series.ms.as_slice()), (1, &[2.0, 4.0][..]));
    }

    #[test]
    fn a_row_that_reaches_less_far_says_how_far() {
        let points = [
            point([0.0, 1.0], 1.0),
            point([0.0, 4.0], 4.0),
            point([64.0, 1.0], 2.0),
            point([64.0, 2.0], 3.0),
        ];
        let grid = prefill(&points).unwrap();
        assert_eq!(grid.at(0, 3), Ok(3.0));
        let outside = grid.at(64, 3).unwrap_err();
        assert_eq!((outside.variable, outside.low, outside.high), ("prefill_chunk_size", 1, 2));
        assert_eq!(grid.at(128, 1).unwrap_err().variable, "kv_cache_size");
    }

    proptest! {
        #[test]
        fn a_bilinear_surface_is_met_everywhere_between_its_points(
            batches in prop::collection::btree_set(1_u32..30, 2..6),
            caches in prop::collection::btree_set(0_u32..700, 2..6),
            [a, b, c] in [0.1_f64..9.0, 0.1..9.0, 0.0..1.0],
        ) {
            let surface = |x: f64, y: f64| a + b * x + c * x * y;
            let pairs = batches.iter().flat_map(|&x| caches.iter().map(move |&y| (f64::from(x), f64::from(y))));
            let points: Vec<_> = pairs.map(|(x, y)| point([x, y], surface(x, y))).collect();
            if let Some(grid) = decode(&points) {
                for row in 0..grid.rows.count as usize {
                    for column in 0..grid.columns.count as usize {
                        let (x, y) = (grid.rows.value(row), grid.columns.value(column));
                        let exact = surface(f64::from(x), f64::from(y));
                        prop_assert!((grid.at(x, y).unwrap() - exact).abs() < 1e-9 * exact);
                    }
                }
            }
        }
    }
}
