//! Values with their units: `2s`, `250ms`, `5%`, `40/s`. Nothing is guessed: a number without its
//! unit, a sign, an exponent or another base is refused.

use schemars::{Schema, json_schema};

use super::scalar::Unit;

/// A decimal number without sign or exponent.
fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.parse().ok()).flatten()
}

fn pattern(units: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": format!("^[0-9]+(\\.[0-9]+)? ?{units}$") })
}

/// A duration in ns: `2s`.
#[derive(Debug, Clone)]
pub struct Duration;

impl Unit for Duration {
    type Value = u64;
    const EXAMPLES: &'static str = "2s, 250ms, 40us or 5ns";
    const BARE: bool = false;

    fn parse(text: &str) -> Option<u64> {
        // Longer suffixes first: every one ends in `s`.
        let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)];
        let (number, scale) =
            units.iter().find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?, scale)))?;
        let ns = (decimal(number.trim_end())? * scale).round();
        // Beyond 2^53 ns (104 days) a float no longer counts single nanoseconds.
        (ns <= 9_007_199_254_740_992.0).then_some(ns as u64)
    }

    fn schema() -> Schema {
        pattern("(ns|us|ms|s)")
    }
}

/// A percentage as a fraction: `5%`.
#[derive(Debug, Clone)]
pub struct Percent;

impl Unit for Percent {
    type Value = f64;
    const EXAMPLES: &'static str = "5% or 0.5%";
    const BARE: bool = false;

    fn parse(text: &str) -> Option<f64> {
        let percent = decimal(text.strip_suffix('%')?.trim_end())?;
        percent.is_finite().then_some(percent / 100.0)
    }

    fn schema() -> Schema {
        pattern("%")
    }
}

/// A rate per second: `40/s`.
#[derive(Debug, Clone)]
pub struct Rate;

impl Unit for Rate {
    type Value = f64;
    const EXAMPLES: &'static str = "40/s or 2.5/s";
    const BARE: bool = false;

    fn parse(text: &str) -> Option<f64> {
        decimal(text.strip_suffix("/s")?.trim_end()).filter(|rate| rate.is_finite())
    }

    fn schema() -> Schema {
        pattern("/s")
    }
}

/// A whole number: `16`.
#[derive(Debug, Clone)]
pub struct Count;

impl Unit for Count {
    type Value = u32;
    const EXAMPLES: &'static str = "a whole number such as 16, at most 4294967295";
    const BARE: bool = true;

    fn parse(text: &str) -> Option<u32> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
    }
}

/// A seed: a whole number of 64 bits.
#[derive(Debug, Clone)]
pub struct Seed;

impl Unit for Seed {
    type Value = u64;
    const EXAMPLES: &'static str = "a whole number such as 0";
    const BARE: bool = true;

    fn parse(text: &str) -> Option<u64> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

/// A plain number: `4.1`.
#[derive(Debug, Clone)]
pub struct Number;

impl Unit for Number {
    type Value = f64;
    const EXAMPLES: &'static str = "a number such as 4.1";
    const BARE: bool = true;

    fn parse(text: &str) -> Option<f64> {
        decimal(text).filter(|number| number.is_finite())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

/// A percentage as the command line takes it: above 0 % and below 100 %.
///
/// # Errors
/// What would be right.
pub fn parse_tolerance(text: &str) -> Result<crate::compare::Tolerance, String> {
    let fraction = parse_percent(text)?;
    crate::compare::Tolerance::from_fraction(fraction)
        .ok_or_else(|| format!("`{text}` is no tolerance: it lies above 0% and below 100%"))
}

/// A duration as the command line takes it, in ns.
///
/// # Errors
/// What would be right.
pub fn parse_duration(text: &str) -> Result<u64, String> {
    Duration::parse(text)
        .ok_or_else(|| format!("`{text}` is not a duration: write it as {}", Duration::EXAMPLES))
}

/// A percentage as the command line takes it, as a fraction.
///
/// # Errors
/// What would be right.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    Percent::parse(text)
        .ok_or_else(|| format!("`{text}` is not a percentage: write it as {}", Percent::EXAMPLES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        for (text, expected) in [
            ("2s", Some(2_000_000_000)),
            ("250ms", Some(250_000_000)),
            ("1.5 us", Some(1500)),
            ("7ns", Some(7)),
            ("2", None),
            ("-2s", None),
            ("2m", None),
            ("1e3s", None),
            ("s", None),
            (".5s", None),
            ("infs", None),
            ("99999999999s", None),
        ] {
            assert_eq!(Duration::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn percentages_rates_and_counts_carry_theirs() {
        assert_eq!(Percent::parse("5%"), Some(0.05));
        assert_eq!(Percent::parse("5"), None);
        assert_eq!(Percent::parse("-5%"), None);
        assert_eq!(Percent::parse(".inf"), None);
        assert_eq!(Rate::parse("2.5/s"), Some(2.5));
        assert_eq!(Rate::parse("40"), None);
        assert_eq!(Count::parse("0x10"), None);
        assert_eq!(Count::parse("4294967296"), None);
        assert_eq!(Count::parse("1.0"), None);
    }
}
