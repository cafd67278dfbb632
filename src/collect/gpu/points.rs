//! What measured steps say of those near them: steps that are alike are put together, and a Gaussian process goes
//! through what the fit is off by there (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
//! equation 2.25).

use nalgebra::{DMatrix, DVector};

use crate::collect::CollectError;
use crate::profile::{StepPoint, likeness};
use crate::stats::percentiles;

/// Most points of a bucket, and the squared distance within which steps are alike in any case.
const MOST: usize = 64;
const ALIKE: f64 = 0.01;
/// Most that the fit is believed to be off by: beyond, the step stalled.
const MOST_OFF: f64 = 0.08;
/// Standard deviations of one measured step, and of what steps put together differ by beyond that, as shares.
const NOISE: f64 = 0.01;
const FLOOR: f64 = 0.004;

/// The points for `steps`: the place of each, and by how much the fit is off there, as a share.
///
/// # Errors
/// Numbers that leave the process undetermined.
pub(super) fn points(steps: &[(Vec<f64>, f64)]) -> Result<Vec<StepPoint>, CollectError> {
    let groups = groups(steps);
    // Rounded, so that the bundle says exactly what was fitted.
    let rounded = |x: f64| (x * 1e3).round() / 1e3;
    let of_group = |members: &Vec<usize>| -> (Vec<f64>, f64) {
        let mean =
            |i: usize| members.iter().map(|&m| steps[m].0[i]).sum::<f64>() / members.len() as f64;
        let mut off: Vec<f64> = members.iter().map(|&m| steps[m].1).collect();
        let place = (0..steps[members[0]].0.len()).map(|i| rounded(mean(i))).collect();
        (place, percentiles(&mut off, [0.5])[0].clamp(-MOST_OFF, MOST_OFF))
    };
    let (places, off): (Vec<Vec<f64>>, Vec<f64>) = groups.iter().map(of_group).unzip();
    let count = groups.len();
    let covariance = DMatrix::from_fn(count, count, |i, j| {
        let own = NOISE * NOISE / groups[i].len() as f64 + FLOOR * FLOOR;
        likeness(&places[i], &places[j]) + if i == j { own } else { 0.0 }
    });
    let weights = covariance.cholesky().ok_or(CollectError::Undetermined)?;
    let weights = weights.solve(&DVector::from_vec(off));
    let point = |(place, &weight)| StepPoint { place, weight };
    Ok(places.into_iter().zip(weights.iter()).map(point).collect())
}

/// Steps that are alike, by their numbers: each next group begins with the step farthest from those before.
fn groups(steps: &[(Vec<f64>, f64)]) -> Vec<Vec<usize>> {
    let apart = |a: usize, b: usize| -> f64 {
        steps[a].0.iter().zip(&steps[b].0).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut nearest = vec![(f64::INFINITY, 0); steps.len()];
    while groups.len() < MOST {
        let far = (0..steps.len()).max_by(|&a, &b| nearest[a].0.total_cmp(&nearest[b].0));
        let Some(far) = far.filter(|&far| nearest[far].0 > ALIKE) else { break };
        for (step, near) in nearest.iter_mut().enumerate() {
            let distance = apart(step, far);
            if distance < near.0 {
                *near = (distance, groups.len());
            }
        }
        groups.push(Vec::new());
    }
    nearest.iter().enumerate().for_each(|(step, near)| groups[near.1].push(step));
    groups.retain(|group| !group.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steps_are_off_by_is_said_near_them_and_nowhere_else() {
        let steps: Vec<(Vec<f64>, f64)> = (0..200)
            .map(|i| {
                let x = f64::from(i) / 40.0 - 2.5;
                (vec![x, 0.0], 0.02 * libm::sin(x))
            })
            .collect();
        let points = points(&steps).unwrap();
        assert!(points.len() <= MOST, "{}", points.len());
        let said = |place: [f64; 2]| -> f64 {
            points.iter().map(|point| point.weight * likeness(&point.place, &place)).sum()
        };
        for x in [-2.0, -1.0, 0.3, 1.7] {
            let (said, off) = (said([x, 0.0]), 0.02 * libm::sin(x));
            assert!((said - off).abs() < 0.001, "{x}: {said}, {off}");
        }
        assert!(said([30.0, 30.0]).abs() < 1e-9);
    }

    #[test]
    fn one_step_far_off_among_others_at_its_place_is_not_believed() {
        let mut steps = vec![(vec![0.0], 0.01); 9];
        steps.push((vec![0.0], 0.5));
        let points = points(&steps).unwrap();
        let said = points[0].weight * likeness(&points[0].place, &[0.0]);
        assert!((said - 0.01).abs() < 0.002, "{said}");
    }

    #[test]
    fn a_lone_step_is_not_believed_beyond_what_the_fit_may_be_off_by() {
        let points = points(&[(vec![0.0], 0.0), (vec![9.0], 2.3)]).unwrap();
        let said: f64 =
            points.iter().map(|point| point.weight * likeness(&point.place, &[9.0])).sum();
        assert!((0.07..=MOST_OFF).contains(&said), "{said}");
    }
}
