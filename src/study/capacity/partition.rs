//! One of several equal shares of a grid, in the syntax of nextest's `--partition`: `count:1/4`.

use std::str::FromStr;

use thiserror::Error;

use super::grid::Candidate;

/// A share of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Which one, from 1.
    shard: usize,
    /// Of how many.
    of: usize,
}

/// A text that is no partition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no partition: write count:M/N with M from 1 to N, such as count:1/4")]
pub struct ParsePartitionError(String);

impl FromStr for Partition {
    type Err = ParsePartitionError;

    fn from_str(text: &str) -> Result<Self, ParsePartitionError> {
        let number = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_| digits)
        };
        let parse = || {
            let (shard, of) = text.strip_prefix("count:")?.split_once('/')?;
            let (shard, of) = (number(shard)?, number(of)?);
            (1..=of).contains(&shard).then_some(Self { shard, of })
        };
        parse().ok_or_else(|| ParsePartitionError(text.to_owned()))
    }
}

impl Partition {
    /// Keeps every `of`-th candidate, by its index.
    pub fn of(self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.retain(|candidate| candidate.index % self.of == self.shard - 1);
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["1/4", "hash:1/4", "count:0/4", "count:5/4", "count:1/0", "count:+1/4", "count:1"]
        {
            let message = text.parse::<Partition>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")) && message.contains("count:1/4"));
        }
    }

    proptest! {
        #[test]
        fn the_shares_are_the_grid_each_candidate_once(n in 0_usize..50, of in 1_usize..8) {
            let all: Vec<Candidate> =
                (0..n).map(|index| Candidate { index, settings: vec![], gpus: 1 }).collect();
            let mut seen: Vec<usize> = (1..=of)
                .flat_map(|shard| {
                    let partition: Partition = format!("count:{shard}/{of}").parse().unwrap();
                    partition.of(all.clone())
                })
                .map(|candidate| candidate.index)
                .collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
    }
}
