//! Cumulative distributions of both sides as SVG.

use plotters::prelude::*;

use crate::compare::{Comparison, Metric, Samples};
use crate::stats::percentile_sorted;

/// Points of a curve: as many as a screen can show.
const POINTS: usize = 200;

const REAL: RGBColor = RGBColor(31, 119, 180);
const SIM: RGBColor = RGBColor(214, 39, 40);

/// The metrics that both sides have samples of.
pub(super) fn drawn(comparison: &Comparison) -> Vec<Metric> {
    // Of some repeats only percentiles are kept: they have no curve.
    let any = |runs: &[Samples], metric| runs.iter().any(|run| !run.of(metric).is_empty());
    let has = |metric: &Metric| {
        any(&comparison.real_samples, *metric) && any(&comparison.sim_samples, *metric)
    };
    Metric::ALL.into_iter().filter(has).collect()
}

/// The curves of `metric`, all repeats of a side pooled; x in ms.
pub(super) fn svg(comparison: &Comparison, metric: Metric) -> Result<String, String> {
    let real = curve(&comparison.real_samples, metric);
    let sim = curve(&comparison.sim_samples, metric);
    let all = || real.iter().chain(&sim).map(|point| point.0);
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(0.0, f64::max);
    // A single value still needs an axis of some length.
    let margin = ((high - low) * 0.03).max(high * 0.01).max(1e-6);
    let mut text = String::new();
    draw(
        &mut text,
        metric,
        [(&real, "real", REAL), (&sim, "sim", SIM)],
        low - margin..high + margin,
    )
    .map_err(|e| e.to_string())?;
    Ok(text)
}

type Curve<'a> = (&'a [(f64, f64)], &'static str, RGBColor);

fn draw(
    text: &mut String,
    metric: Metric,
    curves: [Curve<'_>; 2],
    x: std::ops::Range<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(text, (640, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{} of both sides", metric.title()), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(48)
        .build_cartesian_2d(x.start.max(0.0)..x.end, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc("ms")
        .y_desc("share of samples")
        .light_line_style(WHITE)
        .draw()?;
    for (points, label, colour) in curves {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}

/// (ms, share) at evenly spaced shares.
pub(super) fn curve(runs: &[Samples], metric: Metric) -> Vec<(f64, f64)> {
    let mut values: Vec<f64> = runs.iter().flat_map(|run| run.of(metric)).copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    let share = |i: usize| i as f64 / (POINTS - 1) as f64;
    (0..POINTS).map(|i| (percentile_sorted(&values, share(i)) / 1e6, share(i))).collect()
}
