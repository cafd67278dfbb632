//! The grid: every combination of the values that were asked for.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::case::{MAX_COUNT, MAX_REPLICAS};

/// Most points of a grid. More is a slip, or work for days.
pub const MOST_CANDIDATES: usize = 10_000;

/// A setting that a grid can vary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the key of a case file")]
pub enum Key {
    Policy,
    ChunkTokens,
    MaxSequences,
    KvBlocks,
    KvBlockTokens,
    Replicas,
    Router,
    TensorParallel,
    PipelineParallel,
}

impl Key {
    /// In the order of every table.
    pub const ALL: [Self; 9] = [
        Self::Policy,
        Self::ChunkTokens,
        Self::MaxSequences,
        Self::KvBlocks,
        Self::KvBlockTokens,
        Self::Replicas,
        Self::Router,
        Self::TensorParallel,
        Self::PipelineParallel,
    ];

    /// The key as in a case file: `engine.chunk_tokens`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "engine.policy",
            Self::ChunkTokens => "engine.chunk_tokens",
            Self::MaxSequences => "engine.max_sequences",
            Self::KvBlocks => "engine.kv_blocks",
            Self::KvBlockTokens => "engine.kv_block_tokens",
            Self::Replicas => "cluster.replicas",
            Self::Router => "cluster.router",
            Self::TensorParallel => "cluster.tensor_parallel",
            Self::PipelineParallel => "cluster.pipeline_parallel",
        }
    }

    /// The part behind the dot, which no two keys share.
    fn short(self) -> &'static str {
        self.as_str().split_once('.').map_or("", |(_, short)| short)
    }

    /// The largest number that a case file may give it, too.
    fn most(self) -> u32 {
        match self {
            Self::Replicas | Self::TensorParallel | Self::PipelineParallel => MAX_REPLICAS,
            _ => MAX_COUNT,
        }
    }

    /// Whether its values are words; those of all others are whole numbers from 1.
    fn is_word(self) -> bool {
        matches!(self, Self::Policy | Self::Router)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == text)
    }
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number from 1.
    Number(u32),
    /// A word of a case file.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// One key and the values that it takes, in the order they were named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    key: Key,
    values: Vec<Value>,
}

/// A text that is no axis, or axes that make no grid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GridError {
    /// No `=`.
    #[error("`{0}` is no setting: write KEY=VALUE,.., such as engine.chunk_tokens=256,512")]
    Form(String),
    /// A key that there is not.
    #[error("`{0}` cannot be varied: the keys are {keys}", keys = keys())]
    UnknownKey(String),
    /// No value, or one that is empty.
    #[error("`{0}` has an empty value: write KEY=VALUE,.., such as engine.chunk_tokens=256,512")]
    Empty(String),
    /// A value that the key cannot take.
    #[error("`{value}` is no value of {key}: it takes {}", allowed(.key))]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// A value named twice.
    #[error("{key} has the value `{value}` twice: remove one")]
    ValueTwice {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
    /// A key named twice.
    #[error("{0} stands twice: write all of its values in one list, such as {0}=A,B")]
    KeyTwice(&'static str),
    /// Too many points.
    #[error("the grid has {0} points, and at most {MOST_CANDIDATES} are tried: name fewer values")]
    TooMany(u128),
}

fn keys() -> String {
    Key::ALL.map(Key::as_str).join(", ")
}

fn allowed(key: &str) -> String {
    match Key::parse(key).filter(|key| !key.is_word()) {
        None => "a word of lower-case letters, digits, `-` and `_`".to_owned(),
        Some(key) => format!("whole numbers from 1 to {}", key.most()),
    }
}

impl FromStr for Axis {
    type Err = GridError;

    fn from_str(text: &str) -> Result<Self, GridError> {
        let (key, list) = text.split_once('=').ok_or_else(|| GridError::Form(text.to_owned()))?;
        let key = Key::parse(key).ok_or_else(|| GridError::UnknownKey(key.to_owned()))?;
        let mut values = Vec::new();
        for word in list.split(',').map(str::trim) {
            if word.is_empty() {
                return Err(GridError::Empty(text.to_owned()));
            }
            let value = || word.to_owned();
            let parsed = parse_value(key, word)
                .ok_or_else(|| GridError::Value { key: key.as_str(), value: value() })?;
            if values.contains(&parsed) {
                return Err(GridError::ValueTwice { key: key.as_str(), value: value() });
            }
            values.push(parsed);
        }
        Ok(Self { key, values })
    }
}

fn parse_value(key: Key, word: &str) -> Option<Value> {
    if key.is_word() {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        return word.bytes().all(letter).then(|| Value::Word(word.to_owned()));
    }
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    word.parse()
        .ok()
        .filter(|number| digits && (1..=key.most()).contains(number))
        .map(Value::Number)
}

/// How many GPUs a case uses where the grid does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Engines.
    pub replicas: u32,
    /// GPUs that share each layer.
    pub tensor_parallel: u32,
    /// GPUs that layers are spread over.
    pub pipeline_parallel: u32,
}

/// One point of a grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the grid, from 0.
    pub index: usize,
    /// What differs from the case, in the order of [`Key::ALL`].
    pub settings: Vec<(Key, Value)>,
    /// Replicas x tensor parallel x pipeline parallel.
    pub gpus: u64,
}

impl Candidate {
    /// Its value of `key`, where the grid varies it.
    pub fn value(&self, key: Key) -> Option<&Value> {
        self.settings.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// The number that `key` is set to; absent for a word.
    pub fn number(&self, key: Key) -> Option<u32> {
        match self.value(key)? {
            Value::Number(number) => Some(*number),
            Value::Word(_) => None,
        }
    }

    /// The word that `key` is set to; absent for a number.
    pub fn word(&self, key: Key) -> Option<&str> {
        match self.value(key)? {
            Value::Number(_) => None,
            Value::Word(word) => Some(word),
        }
    }

    /// What it is called: `chunk_tokens=512 replicas=4`.
    pub fn label(&self) -> String {
        if self.settings.is_empty() {
            return "as the case is".to_owned();
        }
        let parts = self.settings.iter().map(|(key, value)| format!("{}={value}", key.short()));
        parts.collect::<Vec<_>>().join(" ")
    }
}

/// The axes of a grid, in the order of [`Key::ALL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid(Vec<Axis>);

impl Grid {
    /// Takes axes together. None at all make a grid of one point, the case as it is.
    ///
    /// # Errors
    /// A key that stands twice, or more than [`MOST_CANDIDATES`] points.
    pub fn new(mut axes: Vec<Axis>) -> Result<Self, GridError> {
        axes.sort_by_key(|axis| axis.key);
        if let Some(pair) = axes.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(GridError::KeyTwice(pair[0].key.as_str()));
        }
        let points = axes
            .iter()
            .fold(1_u128, |points, axis| points.saturating_mul(axis.values.len() as u128));
        if points > MOST_CANDIDATES as u128 {
            return Err(GridError::TooMany(points));
        }
        Ok(Self(axes))
    }

    /// The keys that vary.
    pub fn keys(&self) -> Vec<Key> {
        self.0.iter().map(|axis| axis.key).collect()
    }

    /// Every point; the last key varies fastest.
    pub fn candidates(&self, defaults: Defaults) -> Vec<Candidate> {
        let mut points = vec![Vec::new()];
        for axis in &self.0 {
            let with = |point: &Vec<(Key, Value)>, value: &Value| {
                let mut point = point.clone();
                point.push((axis.key, value.clone()));
                point
            };
            points = points
                .iter()
                .flat_map(|point| axis.values.iter().map(move |value| with(point, value)))
                .collect();
        }
        points.into_iter().enumerate().map(|(i, point)| candidate(i, point, defaults)).collect()
    }
}

fn candidate(index: usize, settings: Vec<(Key, Value)>, defaults: Defaults) -> Candidate {
    let mut candidate = Candidate { index, settings, gpus: 1 };
    let counts = [
        (Key::Replicas, defaults.replicas),
        (Key::TensorParallel, defaults.tensor_parallel),
        (Key::PipelineParallel, defaults.pipeline_parallel),
    ];
    let counts = counts.map(|(key, default)| candidate.number(key).unwrap_or(default));
    candidate.gpus = counts.into_iter().fold(1, |gpus: u64, n| gpus.saturating_mul(u64::from(n)));
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONE: Defaults = Defaults { replicas: 1, tensor_parallel: 1, pipeline_parallel: 1 };

    fn grid(axes: &[&str]) -> Result<Grid, GridError> {
        Grid::new(axes.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
    }

    #[test]
    fn the_grid_is_every_combination_in_one_order_however_it_was_written() {
        let axes = ["cluster.replicas=1,4", "engine.chunk_tokens=512,256"];
        let candidates = grid(&axes).unwrap().candidates(ONE);
        let labels: Vec<String> = candidates.iter().map(Candidate::label).collect();
        assert_eq!(
            labels,
            [
                "chunk_tokens=512 replicas=1",
                "chunk_tokens=512 replicas=4",
                "chunk_tokens=256 replicas=1",
                "chunk_tokens=256 replicas=4"
            ]
        );
        let turned = grid(&[axes[1], axes[0]]).unwrap().candidates(ONE);
        assert_eq!(candidates, turned);
    }

    #[test]
    fn gpus_are_replicas_times_both_kinds_of_parallelism() {
        let defaults = Defaults { replicas: 2, tensor_parallel: 4, pipeline_parallel: 1 };
        let gpus = |axes: &[&str]| -> Vec<u64> {
            grid(axes).unwrap().candidates(defaults).iter().map(|c| c.gpus).collect()
        };
        assert_eq!(gpus(&[]), [8]);
        assert_eq!(gpus(&["cluster.replicas=1,3", "cluster.pipeline_parallel=2"]), [8, 24]);
    }

    #[test]
    fn without_an_axis_the_case_is_the_only_candidate() {
        let candidates = grid(&[]).unwrap().candidates(ONE);
        assert_eq!(candidates.len(), 1);
        assert_eq!(candidates[0].label(), "as the case is");
    }

    #[test]
    fn each_fault_says_what_is_allowed() {
        let numbers = "it takes whole numbers from 1 to 100000000";
        let word = "it takes a word of lower-case letters, digits, `-` and `_`";
        let hundred: Vec<String> = (1..=101).map(|n| n.to_string()).collect();
        let many = hundred.join(",");
        let many = [format!("engine.chunk_tokens={many}"), format!("engine.max_sequences={many}")];
        for (axes, expected) in [
            (
                &["engine.chunk_tokens"][..],
                "`engine.chunk_tokens` is no setting: write KEY=VALUE,.., such as engine.chunk_tokens=256,512".to_owned(),
            ),
            (&["engine.launch=graph"], format!("`engine.launch` cannot be varied: the keys are {}", keys())),
            (
                &["cluster.replicas="],
                "`cluster.replicas=` has an empty value: write KEY=VALUE,.., such as engine.chunk_tokens=256,512".to_owned(),
            ),
            (
                &["cluster.replicas=0"],
                "`0` is no value of cluster.replicas: it takes whole numbers from 1 to 10000".to_owned(),
            ),
            (&["engine.kv_blocks=+5"], format!("`+5` is no value of engine.kv_blocks: {numbers}")),
            (&["engine.policy=Sarathi"], format!("`Sarathi` is no value of engine.policy: {word}")),
            (
                &["cluster.replicas=2,02"],
                "cluster.replicas has the value `02` twice: remove one".to_owned(),
            ),
            (
                &["cluster.replicas=2", "cluster.replicas=4"],
                "cluster.replicas stands twice: write all of its values in one list, such as cluster.replicas=A,B".to_owned(),
            ),
            (
                &[&many[0], &many[1]],
                "the grid has 10201 points, and at most 10000 are tried: name fewer values".to_owned(),
            ),
        ] {
            assert_eq!(grid(axes).unwrap_err().to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_point_is_its_index_and_stands_once(sizes in prop::collection::vec(1_usize..5, 0..5)) {
            let axes = sizes.iter().zip([
                Key::ChunkTokens, Key::MaxSequences, Key::KvBlocks, Key::Replicas, Key::TensorParallel,
            ]);
            let axes = axes.map(|(size, key)| Axis {
                key,
                values: (1..=*size as u32).map(Value::Number).collect(),
            });
            let candidates = Grid::new(axes.collect()).unwrap().candidates(ONE);
            prop_assert_eq!(candidates.len(), sizes.iter().product::<usize>());
            for (i, candidate) in candidates.iter().enumerate() {
                prop_assert_eq!(candidate.index, i);
                let earlier = &candidates[..i];
                prop_assert!(earlier.iter().all(|other| other.settings != candidate.settings));
            }
        }
    }
}
