//! A waterfall: how single shares add up to a whole, as SVG.

use plotters::prelude::*;

const SIZE: (u32, u32) = (640, 360);
/// Half a bar.
const LABEL_OFFSET: i32 = 46;

/// Draws shares, as logarithms of ratios, one after another, and their sum, in percent.
///
/// # Errors
/// What the drawing library says.
pub fn waterfall(title: &str, shares: &[(String, f64)]) -> Result<String, String> {
    let mut svg = String::new();
    draw(title, shares, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn percent(log: f64) -> f64 {
    100.0 * log.exp_m1()
}

fn draw(
    title: &str,
    shares: &[(String, f64)],
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut bars = Vec::new();
    let mut from = 0.0;
    for (name, share) in shares {
        bars.push((name.as_str(), percent(from), percent(from + share)));
        from += share;
    }
    bars.push(("error", 0.0, percent(from)));
    let ends = bars.iter().flat_map(|bar| [bar.1, bar.2]);
    let low = ends.clone().fold(0.0, f64::min);
    let high = ends.fold(0.0, f64::max);
    let margin = ((high - low) * 0.1).max(0.1);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0..bars.len(), low - margin..high + margin)?;
    let name = |place: &usize| bars.get(*place).map_or(String::new(), |bar| bar.0.to_owned());
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(bars.len())
        .x_label_formatter(&name)
        // Names stand below their bars, not at their left ends.
        .x_label_offset(LABEL_OFFSET)
        .y_desc("percent")
        .draw()?;
    chart.draw_series(bars.iter().enumerate().map(|(place, &(name, from, to))| {
        let color = match (name, to >= from) {
            ("error", _) => RGBColor(90, 90, 90),
            (_, true) => RGBColor(200, 80, 60),
            (_, false) => RGBColor(60, 120, 200),
        };
        Rectangle::new([(place, from), (place + 1, to)], color.filled())
    }))?;
    root.present()?;
    Ok(())
}
