//! `index.html`: all cases and the power of their gate on one page that needs nothing beside it. The page draws
//! itself from the data that is written into it.

use serde::Serialize;

use super::cdf;
use super::json::{CaseJson, CheckJson};
use crate::compare::Comparison;

/// The page without its data.
const PAGE: &str = include_str!("page.html");
/// Where the data belongs.
const DATA: &str = "{{DATA}}";

/// What the page shows.
#[derive(Debug, Serialize)]
pub struct Page {
    title: &'static str,
    version: &'static str,
    device: Option<String>,
    commit: Option<&'static str>,
    cases: Vec<PageCase>,
    power: Option<serde_json::Value>,
}

/// A case on the page: what programs read of it, and what only people look at.
#[derive(Debug, Serialize)]
struct PageCase {
    #[serde(flatten)]
    case: CaseJson,
    remarks: Vec<String>,
    /// Quantiles of both sides by metric.
    curves: serde_json::Map<String, serde_json::Value>,
}

impl Page {
    /// The page of `check`; `details` has each case's remarks and comparison, in the same order. `power` is the
    /// document of `simgate power --json`.
    pub fn new<'a>(
        check: CheckJson,
        details: impl IntoIterator<Item = (Vec<String>, Option<&'a Comparison>)>,
        power: Option<serde_json::Value>,
    ) -> Self {
        let case = |(case, (remarks, comparison)): (CaseJson, (_, Option<&Comparison>))| PageCase {
            case,
            remarks,
            curves: comparison.map(curves).unwrap_or_default(),
        };
        Self {
            title: "simgate report",
            version: env!("CARGO_PKG_VERSION"),
            device: check.device,
            commit: check.commit,
            cases: check.cases.into_iter().zip(details).map(case).collect(),
            power,
        }
    }

    /// The page as HTML.
    ///
    /// # Errors
    /// Data that cannot be written as JSON.
    pub fn html(&self) -> serde_json::Result<String> {
        // So that no text of a case can end the script that holds it.
        let data = serde_json::to_string(self)?.replace('<', "\\u003c");
        Ok(PAGE.replacen(DATA, &data, 1))
    }
}

/// Quantiles of both sides at common shares, ms: they draw both the curves and the quantile-quantile plots.
fn curves(comparison: &Comparison) -> serde_json::Map<String, serde_json::Value> {
    let mut curves = serde_json::Map::new();
    for metric in cdf::drawn(comparison) {
        let real = cdf::curve(&comparison.real_samples, metric);
        let sim = cdf::curve(&comparison.sim_samples, metric);
        // A tenth of a microsecond is finer than any screen.
        let rounded = |ms: f64| (ms * 1e4).round() / 1e4;
        let of = |curve: &[(f64, f64)]| curve.iter().map(|p| rounded(p.0)).collect::<Vec<f64>>();
        let share: Vec<f64> = real.iter().map(|point| rounded(point.1)).collect();
        let value = serde_json::json!({
            "share": share, "real_ms": of(&real), "sim_ms": of(&sim)
        });
        curves.insert(metric.as_str().to_owned(), value);
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_of_a_page_cannot_leave_its_place() {
        assert_eq!(PAGE.matches(DATA).count(), 1);
        let case = CaseJson {
            case: "c</script><script>alert(1)".to_owned(),
            message: Some("{{DATA}}".to_owned()),
            ..CaseJson::default()
        };
        let check = CheckJson { device: None, commit: None, cases: vec![case] };
        let page = Page::new(check, [(Vec::new(), None)], None).html().unwrap();
        assert_eq!(page.matches("</script>").count(), PAGE.matches("</script>").count());
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        let read: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(read["cases"][0]["case"], "c</script><script>alert(1)");
        assert_eq!(read["cases"][0]["message"], "{{DATA}}");
    }
}
