//! What steps were predicted before: seeds of one workload take many steps alike, and what a fitted model says of a step
//! takes longer to work out than to look up.

use super::work::VARIABLES;

/// Steps that are remembered at most.
const PLACES: usize = 1 << 13;

/// Predicted times by bucket and variables. Two steps that share a place push each other out.
#[derive(Debug, Clone, Default)]
pub(super) struct Memo(Vec<Option<(Key, f64)>>);

type Key = (usize, [u64; VARIABLES]);

impl Memo {
    /// The time of a step with `values` in the bucket at `place`, worked out where it is not remembered.
    pub fn time(
        &mut self,
        place: usize,
        values: &[f64; VARIABLES],
        work_out: impl FnOnce() -> f64,
    ) -> f64 {
        let key = (place, values.map(f64::to_bits));
        if self.0.is_empty() {
            self.0 = vec![None; PLACES];
        }
        let entry = &mut self.0[slot(&key)];
        match entry {
            Some((known, time)) if *known == key => *time,
            _ => entry.insert((key, work_out())).1,
        }
    }
}

/// Fowler, Noll and Vo's hash, word by word.
fn slot((place, values): &Key) -> usize {
    let mix = |hash: u64, word: &u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = values.iter().fold(*place as u64 ^ 0xcbf2_9ce4_8422_2325, mix);
    // Doubles differ in their high bits.
    ((hash ^ (hash >> 32) ^ (hash >> 48)) as usize) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_remembered_is_what_would_be_worked_out(steps in prop::collection::vec((0_usize..3, 0_u32..40), 0..400)) {
            let mut memo = Memo::default();
            for (place, x) in steps {
                let mut values = [0.0; VARIABLES];
                values[3] = f64::from(x);
                let time = (place * 100) as f64 + values[3];
                prop_assert_eq!(memo.time(place, &values, || time), time);
                prop_assert_eq!(memo.time(place, &values, || f64::NAN), time);
            }
        }
    }
}
