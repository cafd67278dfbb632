//! Numbers for people: four significant digits, with their unit.

/// A duration with the unit that suits it: `17.28 ms`.
pub fn duration(ns: f64) -> String {
    let (value, unit) = match ns.abs() {
        n if n >= 999_950_000.0 => (ns / 1e9, "s"),
        n if n >= 999_950.0 => (ns / 1e6, "ms"),
        n if n >= 999.95 => (ns / 1e3, "us"),
        _ => (ns, "ns"),
    };
    format!("{} {unit}", significant(value))
}

/// A fraction as a percentage: `5 %`.
pub fn percent(fraction: f64) -> String {
    format!("{} %", trim(&significant(fraction * 100.0)))
}

/// A fraction as a percentage with its sign: `-88.62 %`.
pub fn signed_percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if !percent.is_finite() {
        return "no ratio".to_owned();
    }
    // Two decimals say all there is about an error of a few percent.
    let text = format!("{percent:+.2}");
    let text = if text == "-0.00" { "+0.00" } else { &text };
    format!("{text} %")
}

/// An interval of fractions as percentages: `[-1.20, +0.80] %`.
pub fn interval((low, high): (f64, f64)) -> String {
    let end = |fraction: f64| match fraction * 100.0 {
        percent if percent.abs() >= 1e4 => format!("{percent:+.0e}"),
        percent => format!("{percent:+.2}"),
    };
    format!("[{}, {}] %", end(low), end(high))
}

/// Hundredths of a nanosecond, without trailing zeros: for files.
pub(super) fn exact(value: f64) -> String {
    trim(&format!("{value:.2}")).to_owned()
}

/// A percentage to the ten-thousandth, without trailing zeros: for files.
pub(super) fn exact_percent(fraction: f64) -> String {
    trim(&format!("{:.4}", fraction * 100.0)).to_owned()
}

/// Four significant digits: `163.2`.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    // Rounded first: 0.99999 has one digit before the point once it reads 1.000.
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    let before_point = rounded.abs().log10().floor() as i32 + 1;
    format!("{value:.*}", (4 - before_point).clamp(0, 6) as usize)
}

fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_four_digits_in_their_unit() {
        for (ns, expected) in [
            (17_283_962.5, "17.28 ms"),
            (1_967_610.0, "1.968 ms"),
            (887_873_714.5, "887.9 ms"),
            (999_999_999.0, "1.000 s"),
            (12.0, "12.00 ns"),
            (0.0, "0 ns"),
        ] {
            assert_eq!(duration(ns), expected);
        }
    }

    #[test]
    fn percentages_and_exact_values_carry_no_needless_digits() {
        assert_eq!(percent(0.05), "5 %");
        assert_eq!(percent(0.005), "0.5 %");
        assert_eq!(signed_percent(-0.886_16), "-88.62 %");
        assert_eq!(signed_percent(-1e-9), "+0.00 %");
        assert_eq!(signed_percent(f64::INFINITY), "no ratio");
        assert_eq!(exact(17_283_962.5), "17283962.5");
        assert_eq!(exact(20_037_415.299_999_99), "20037415.3");
        assert_eq!(exact(1_967_610.0), "1967610");
    }
}
