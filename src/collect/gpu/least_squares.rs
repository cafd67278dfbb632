//! Weighted least squares on relative errors, for tables of few columns a row.

use nalgebra::{DMatrix, DVector};

/// One equation: the columns that it has, with their values, and the time that they should give.
#[derive(Debug, Clone)]
pub(super) struct Equation {
    pub terms: Vec<(usize, f64)>,
    pub time: f64,
}

/// Rounds in which equations far off lose weight, so that few of them do not bend the fit, and the relative
/// error from which on they do.
const ROUNDS: usize = 4;
const FAR: f64 = 0.01;
/// What keeps columns determined that the equations leave open, as a share of the average column.
const RIDGE: f64 = 1e-9;

/// Coefficients of as many columns as there are `penalties`, which hold them back: each counts like so many
/// equations that want its coefficient to be 0. Those that no equation has are 0. `None` where there is no
/// solution.
pub(super) fn solve(equations: &[Equation], penalties: &[f64]) -> Option<Vec<f64>> {
    let columns = penalties.len();
    // Columns are brought to one size, so that all of them count alike.
    let mut scale = vec![0.0_f64; columns];
    for equation in equations {
        for &(column, value) in &equation.terms {
            scale[column] = scale[column].max((value / equation.time).abs());
        }
    }
    scale.iter_mut().filter(|s| **s == 0.0).for_each(|s| *s = 1.0);
    let mut weights = vec![1.0; equations.len()];
    let mut found = None;
    for _ in 0..ROUNDS {
        let mut normal = DMatrix::<f64>::zeros(columns, columns);
        let mut right = DVector::<f64>::zeros(columns);
        for (equation, weight) in equations.iter().zip(&weights) {
            for &(i, a) in &equation.terms {
                let a = a / equation.time / scale[i];
                right[i] += weight * a;
                for &(j, b) in &equation.terms {
                    normal[(i, j)] += weight * a * (b / equation.time / scale[j]);
                }
            }
        }
        let ridge = RIDGE * normal.trace() / columns as f64;
        (0..columns).for_each(|i| normal[(i, i)] += ridge + penalties[i] / scale[i].powi(2));
        let solution = normal.cholesky()?.solve(&right);
        for (equation, weight) in equations.iter().zip(&mut weights) {
            let off =
                equation.terms.iter().map(|&(c, v)| v / equation.time / scale[c] * solution[c]);
            *weight = FAR / (off.sum::<f64>() - 1.0).abs().max(FAR);
        }
        found = Some(solution);
    }
    let solution = found?;
    Some((0..columns).map(|i| solution[i] / scale[i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_found_again_and_few_outliers_do_not_bend_them() {
        let mut equations: Vec<Equation> = (1..200)
            .map(|i| {
                let x = f64::from(i % 17);
                Equation { terms: vec![(0, 1.0), (2, x)], time: 600.0 + 25.0 * x }
            })
            .collect();
        equations.iter_mut().step_by(23).for_each(|equation| equation.time *= 1.4);
        let found = solve(&equations, &[0.0; 3]).unwrap();
        assert!((found[0] - 600.0).abs() < 3.0 && (found[2] - 25.0).abs() < 0.5, "{found:?}");
        assert_eq!(found[1], 0.0);
    }
}
