//! Linear interpolation between measured points, never beyond them.

/// Points along one variable.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    /// Ascending, each x once.
    points: Vec<(u32, f64)>,
}

impl Line {
    /// `None` without points.
    pub fn new(points: impl Iterator<Item = (u32, u64)>) -> Option<Self> {
        let mut points: Vec<(u32, f64)> = points.map(|(x, y)| (x, y as f64)).collect();
        points.sort_by_key(|point| point.0);
        (!points.is_empty()).then_some(Self { points })
    }

    /// The value at `x`, or `None` outside the measured range.
    pub fn at(&self, x: u32) -> Option<f64> {
        let above = self.points.partition_point(|point| point.0 < x);
        let &(x1, y1) = self.points.get(above)?;
        if x1 == x {
            return Some(y1);
        }
        let &(x0, y0) = self.points.get(above.checked_sub(1)?)?;
        Some(y0 + (y1 - y0) * f64::from(x - x0) / f64::from(x1 - x0))
    }

    /// Smallest and largest x; (0, 0) without points.
    pub fn range(&self) -> (u32, u32) {
        let x = |point: Option<&(u32, f64)>| point.map_or(0, |point| point.0);
        (x(self.points.first()), x(self.points.last()))
    }
}

/// Points on a rectangular grid of two variables.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// For each x, ascending, the line along y.
    lines: Vec<(u32, Line)>,
}

impl Grid {
    /// `None` without points.
    pub fn new(points: impl Iterator<Item = (u32, u32, u64)>) -> Option<Self> {
        let points: Vec<(u32, u32, u64)> = points.collect();
        let mut xs: Vec<u32> = points.iter().map(|point| point.0).collect();
        xs.sort_unstable();
        xs.dedup();
        let line = |x: u32| {
            let at_x = points.iter().filter(move |point| point.0 == x);
            Some((x, Line::new(at_x.map(|point| (point.1, point.2)))?))
        };
        let lines: Vec<(u32, Line)> = xs.into_iter().filter_map(line).collect();
        (!lines.is_empty()).then_some(Self { lines })
    }

    /// The value at (x, y), or `None` outside the measured range.
    pub fn at(&self, x: u32, y: u32) -> Option<f64> {
        let above = self.lines.partition_point(|line| line.0 < x);
        let (x1, line1) = self.lines.get(above)?;
        let y1 = line1.at(y)?;
        if *x1 == x {
            return Some(y1);
        }
        let (x0, line0) = self.lines.get(above.checked_sub(1)?)?;
        let y0 = line0.at(y)?;
        Some(y0 + (y1 - y0) * f64::from(x - x0) / f64::from(x1 - x0))
    }

    /// Ranges of x, and of y at every x.
    pub fn ranges(&self) -> ((u32, u32), (u32, u32)) {
        let x = |line: Option<&(u32, Line)>| line.map_or(0, |line| line.0);
        let ranges = self.lines.iter().map(|(_, line)| line.range());
        let low = ranges.clone().map(|range| range.0).max().unwrap_or(0);
        let high = ranges.map(|range| range.1).min().unwrap_or(0);
        ((x(self.lines.first()), x(self.lines.last())), (low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_extrapolated() {
        let line = Line::new([(4, 40), (1, 10)].into_iter()).unwrap();
        assert_eq!([1, 2, 4].map(|x| line.at(x)), [Some(10.0), Some(20.0), Some(40.0)]);
        assert_eq!([0, 5].map(|x| line.at(x)), [None, None]);
        let grid = Grid::new([(1, 0, 10), (1, 8, 18), (3, 0, 30), (3, 8, 38)].into_iter()).unwrap();
        assert_eq!(grid.at(2, 4), Some(24.0));
        assert_eq!([grid.at(4, 4), grid.at(0, 4), grid.at(2, 9)], [None, None, None]);
        assert_eq!(grid.ranges(), ((1, 3), (0, 8)));
    }

    proptest! {
        #[test]
        fn values_lie_between_their_neighbours(ys in prop::collection::vec(1_u64..1_000_000, 2..10), x in 0_u32..100) {
            let line = Line::new(ys.iter().enumerate().map(|(i, y)| (10 * i as u32, *y))).unwrap();
            if let Some(y) = line.at(x) {
                let i = (x / 10) as usize;
                let (a, b) = (ys[i] as f64, *ys.get(i + 1).unwrap_or(&ys[i]) as f64);
                prop_assert!(y >= a.min(b) - 1e-6 && y <= a.max(b) + 1e-6);
            }
        }
    }
}
