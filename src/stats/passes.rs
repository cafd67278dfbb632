//! Exact percentiles of values that can be gone through again and again, without a copy of them: what a billion gaps
//! between tokens need.

use super::percentile::position;

/// Bits that one pass tells apart.
const DIGIT: u32 = 12;

/// The percentiles `ps` (fractions in 0..=1) of `values`, as [`super::percentiles`] defines them. Goes through the values
/// three times for 24 bits of range. Empty input gives NaN.
pub fn percentiles_in_passes<const N: usize, I: Iterator<Item = u64>>(
    values: impl Fn() -> I,
    ps: [f64; N],
) -> [f64; N] {
    let (count, most) = values().fold((0, 0), |(n, most), value| (n + 1, value.max(most)));
    if count == 0 {
        return [f64::NAN; N];
    }
    let at = ps.map(|p| position(count, p));
    // Each percentile lies between an order statistic and the next.
    let ranks = at.iter().flat_map(|&(low, _)| [low, (low + 1).min(count - 1)]);
    let mut sought: Vec<Sought> = ranks.map(|rank| Sought { above: 0, rank }).collect();
    let mut shift = (u64::BITS - most.leading_zeros()).next_multiple_of(DIGIT);
    while shift > 0 {
        shift -= DIGIT;
        narrow(&values, shift, &mut sought);
    }
    let value = |n: usize| sought[n].above as f64;
    let mut found = at.into_iter().enumerate();
    ps.map(|_| {
        found.next().map_or(f64::NAN, |(i, (_, fraction))| {
            let (below, above) = (value(2 * i), value(2 * i + 1));
            if fraction == 0.0 { below } else { below + (above - below) * fraction }
        })
    })
}

/// An order statistic on the way to it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sought {
    /// Its bits above those that are still unknown.
    above: u64,
    /// Its rank among the values that share them.
    rank: usize,
}

/// Finds the next digit of each, `shift` bits from the right.
fn narrow<I: Iterator<Item = u64>>(values: impl Fn() -> I, shift: u32, sought: &mut [Sought]) {
    let mut groups: Vec<u64> = sought.iter().map(|one| one.above).collect();
    groups.dedup();
    let digits = 1_usize << DIGIT;
    let mut counts = vec![0_usize; groups.len() * digits];
    // Bits above the first digit are 0.
    let above = |value: u64| value.checked_shr(shift + DIGIT).unwrap_or(0);
    for value in values() {
        if let Some(group) = groups.iter().position(|&group| group == above(value)) {
            counts[group * digits + (value >> shift) as usize % digits] += 1;
        }
    }
    for one in sought {
        let Some(group) = groups.iter().position(|&group| group == one.above) else { continue };
        let mut digit = 0;
        for &count in &counts[group * digits..(group + 1) * digits] {
            if one.rank < count {
                break;
            }
            one.rank -= count;
            digit += 1;
        }
        one.above = (one.above << DIGIT) | digit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::percentiles;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn passes_find_what_selection_finds(values in prop::collection::vec(prop_oneof![0_u64..50, 0_u64..1 << 52], 0..300)) {
            let ps = [0.0, 0.5, 0.9, 0.99, 1.0];
            let found = percentiles_in_passes(|| values.iter().copied(), ps);
            let mut copy: Vec<f64> = values.iter().map(|&value| value as f64).collect();
            let expected = percentiles(&mut copy, ps);
            prop_assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits));
        }
    }
}
