//! What measured steps say of those near them, where the fit is off the same way in some part of
//! a bucket. Each point stands for measured steps that are alike: its place among the steps of the bucket and
//! its weight. Together they are the mean of a Gaussian process (Rasmussen and Williams, Gaussian Processes for
//! Machine Learning, 2006, equation 2.25): the sum of weight x likeness over all points, 0 far from all.

/// Standard deviation of what the fit is off by, as a share.
const HEIGHT: f64 = 0.04;
/// How far a measured step is heard, in standard deviations of the variables.
const REACH: f64 = 2.0;

/// Measured steps that are alike.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPoint {
    /// Their place, as [`super::BucketModel::place`] gives it.
    pub place: Vec<f64>,
    /// What they say.
    pub weight: f64,
}

/// How alike steps at two places are: the covariance of what the fit is off by.
pub fn likeness(a: &[f64], b: &[f64]) -> f64 {
    let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    HEIGHT * HEIGHT * libm::exp(-apart / (2.0 * REACH * REACH))
}

/// What `points` say of a step at `place`: how far off the fit is there, as a share.
pub(super) fn said_by(points: &[StepPoint], place: &[f64]) -> f64 {
    points.iter().map(|point| point.weight * likeness(&point.place, place)).sum()
}
