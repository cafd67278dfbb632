//! Capacity against GPUs, as SVG: all points, and the front as a line.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const SIZE: (u32, u32) = (640, 400);
const FRONT: RGBColor = RGBColor(31, 119, 180);
const OTHER: RGBColor = RGBColor(160, 160, 160);

/// A configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct ParetoPoint {
    /// GPUs that it uses.
    pub gpus: u64,
    /// The highest rate that meets the targets, requests per second.
    pub rate_per_s: f64,
    /// What it is called.
    pub label: String,
    /// Whether it is on the front.
    pub front: bool,
}

/// Draws points under two lines of caption. The same points give the same bytes.
///
/// # Errors
/// What the drawing library says.
pub fn pareto(caption: [&str; 2], points: &[ParetoPoint]) -> Result<String, String> {
    let mut svg = String::new();
    draw(caption, points, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw(
    [title, subtitle]: [&str; 2],
    points: &[ParetoPoint],
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 18))?;
    let root = root.titled(subtitle, ("sans-serif", 14))?;
    // Room at the right end and above for labels; without points, axes of some length.
    let widest = points.iter().map(|point| point.gpus).max().unwrap_or(1) as f64 * 1.1;
    let highest = points.iter().map(|point| point.rate_per_s).fold(0.0, f64::max) * 1.15;
    let highest = if highest > 0.0 { highest } else { 1.0 };
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..widest, 0.0..highest)?;
    // GPUs come whole.
    let whole = |x: &f64| if x.fract() == 0.0 { format!("{x}") } else { String::new() };
    chart
        .configure_mesh()
        .x_desc("GPUs")
        .y_desc("requests/s that meet the targets")
        .x_label_formatter(&whole)
        .disable_x_mesh()
        .max_light_lines(0)
        .draw()?;
    let at = |point: &ParetoPoint| (point.gpus as f64, point.rate_per_s);
    let others = points.iter().filter(|point| !point.front);
    chart.draw_series(others.map(|point| Circle::new(at(point), 3, OTHER.filled())))?;
    let mut front: Vec<&ParetoPoint> = points.iter().filter(|point| point.front).collect();
    front.sort_by(|a, b| a.gpus.cmp(&b.gpus).then(a.rate_per_s.total_cmp(&b.rate_per_s)));
    let line = front.iter().map(|point| at(point));
    chart.draw_series(LineSeries::new(line, FRONT.stroke_width(2)))?;
    chart.draw_series(front.iter().map(|point| {
        // Labels grow towards the middle, so that none leaves the picture.
        let (side, offset) = match point.gpus as f64 > widest / 2.0 {
            true => (HPos::Right, -6),
            false => (HPos::Left, 6),
        };
        let font = ("sans-serif", 11).into_font().color(&BLACK);
        EmptyElement::at(at(point))
            + Circle::new((0, 0), 4, FRONT.filled())
            + Text::new(point.label.clone(), (offset, -6), font.pos(Pos::new(side, VPos::Bottom)))
    }))?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(gpus: u64, rate_per_s: f64, label: &str, front: bool) -> ParetoPoint {
        ParetoPoint { gpus, rate_per_s, label: label.to_owned(), front }
    }

    #[test]
    fn points_of_the_front_are_labelled_and_the_others_only_drawn() {
        let points = [
            point(4, 30.0, "tp=4", true),
            point(1, 10.0, "tp=1 <odd>", true),
            point(4, 20.0, "slow", false),
        ];
        let svg = pareto(["Capacity", "ttft.p99 <= 500 ms"], &points).unwrap();
        assert_eq!(svg.matches("<circle").count(), 3, "{svg}");
        // The front's line.
        assert_eq!(svg.matches("stroke=\"#1F77B4\"").count(), 1, "{svg}");
        assert!(svg.contains("tp=4") && svg.contains("tp=1 &lt;odd&gt;"), "{svg}");
        assert!(svg.contains("ttft.p99 &lt;= 500 ms") && !svg.contains("slow"), "{svg}");
        assert_eq!(svg, pareto(["Capacity", "ttft.p99 <= 500 ms"], &points).unwrap());
    }

    #[test]
    fn without_points_there_are_axes() {
        let svg = pareto(["Capacity", "no target holds"], &[]).unwrap();
        assert!(svg.contains("GPUs") && !svg.contains("<circle"), "{svg}");
    }
}
