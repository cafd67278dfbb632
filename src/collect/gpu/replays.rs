//! Whole steps, done again and again: for every bucket its corners, contexts refined where times bend, and
//! random mixtures.

use super::contents::{Capacity, Range, batch, places};
use super::{Settings, of_bucket};
use crate::collect::{CollectError, Progress};
use crate::model::{Buckets, GpuForward, ModelError, StepKind, StepSize};
use crate::profile::{Content, ReplayEntry, TimeSpread};
use crate::stats::{Random, percentiles};

/// Times of each step, with and without events.
const SAMPLES: usize = 3;
/// How far a step between two measured ones may lie from the line between them.
const BEND: f64 = 0.01;
/// Contexts that are not parted further, and those that a refinement begins with.
const FINEST: u32 = 16;
const COARSE: [u32; 8] = [0, 63, 127, 255, 511, 1_023, 2_047, 4_095];

/// Measures steps of one process.
pub(super) struct Bench<'a> {
    pub process: u32,
    pub forward: &'a mut GpuForward,
    pub buckets: &'a Buckets,
    pub capacity: Capacity,
    /// All KV blocks, in the order in which they are handed out.
    places: Vec<u32>,
    random: Random,
}

impl<'a> Bench<'a> {
    /// `stream` tells its random contents from those of others.
    pub fn new(
        settings: &Settings,
        process: u32,
        stream: u64,
        forward: &'a mut GpuForward,
        buckets: &'a Buckets,
    ) -> Self {
        let mut random = Random::new(settings.seed, stream);
        let capacity = settings.capacity();
        let places = places(capacity.blocks, &mut random);
        Self { process, forward, buckets, capacity, places, random }
    }

    /// Makes `content` the step that measurements are of.
    pub fn prepare(&mut self, content: &Content) -> Result<StepSize, ModelError> {
        let batch = batch(content, self.capacity.block_tokens, &self.places);
        self.forward.prepare(&batch)
    }

    /// Times one step.
    pub fn time(&mut self, content: Content) -> Result<ReplayEntry, ModelError> {
        let batch = batch(&content, self.capacity.block_tokens, &self.places);
        let bucket = self.forward.prepare(&batch)?;
        let replays = self.forward.replay(&batch, SAMPLES)?;
        Ok(ReplayEntry {
            process: self.process,
            bucket,
            content,
            wall: spread(replays.wall_ns.iter().map(|&ns| ns as f64)),
            gpu: spread(replays.gpu_ns.iter().map(|&ns| ns as f64)),
            samples: SAMPLES as u32,
        })
    }

    /// A random content of `bucket`.
    pub fn draw(&mut self, bucket: StepSize) -> Content {
        Range::of(bucket, self.buckets).draw(self.capacity, &mut self.random)
    }

    /// Corners, refined contexts and `count` random contents of each of `sizes`.
    pub fn all(
        &mut self,
        sizes: &[StepSize],
        count: u32,
        progress: Progress<'_>,
    ) -> Result<Vec<ReplayEntry>, CollectError> {
        let mut entries = Vec::new();
        for (done, &bucket) in sizes.iter().enumerate() {
            progress("steps as graphs", done as u64, sizes.len() as u64);
            let range = Range::of(bucket, self.buckets);
            for content in range.corners(self.capacity) {
                entries.push(self.time(content)?);
            }
            if bucket.kind == StepKind::Decode || bucket.sequences == 1 {
                self.refined(range, &mut entries)?;
            }
            for _ in 0..count {
                let content = self.draw(bucket);
                entries.push(self.time(content)?);
            }
        }
        Ok(entries)
    }

    /// Steps of equal contexts, with more of them wherever one lies off the line between its neighbours.
    fn refined(&mut self, range: Range, entries: &mut Vec<ReplayEntry>) -> Result<(), ModelError> {
        let mut points: Vec<(u32, f64)> = Vec::new();
        let mut measure =
            |bench: &mut Self, context: u32| -> Result<Option<(u32, f64)>, ModelError> {
                let content = range.full(context, bench.capacity);
                // Longer ones do not fit.
                if content.0.iter().all(|sequence| sequence.1 != context) {
                    return Ok(None);
                }
                let entry = bench.time(content)?;
                let time = entry.gpu.median as f64;
                entries.push(entry);
                Ok(Some((context, time)))
            };
        for context in COARSE.into_iter().chain([self.capacity.max_context]) {
            if context <= self.capacity.max_context {
                points.extend(measure(self, context)?);
            }
        }
        let mut i = 1;
        while i < points.len() {
            let ((x0, y0), (x1, y1)) = (points[i - 1], points[i]);
            let middle = x0 + (x1 - x0) / 2;
            let bent = x1 - x0 > FINEST && y1 / y0 - 1.0 > BEND;
            let Some(point) = bent.then(|| measure(self, middle)).transpose()?.flatten() else {
                i += 1;
                continue;
            };
            let line = y0 + (y1 - y0) * f64::from(middle - x0) / f64::from(x1 - x0);
            match (point.1 / line - 1.0).abs() > BEND {
                true => points.insert(i, point),
                false => i += 1,
            }
        }
        Ok(())
    }

    /// Steps launch by launch: the least of each of `sizes`, and `count` random contents.
    pub fn eager(
        &mut self,
        sizes: &[StepSize],
        count: u32,
        progress: Progress<'_>,
    ) -> Result<Vec<ReplayEntry>, CollectError> {
        let mut entries = Vec::new();
        for (done, &bucket) in sizes.iter().enumerate() {
            progress("steps launch by launch", done as u64, sizes.len() as u64);
            entries.push(self.time(Range::of(bucket, self.buckets).least())?);
            for _ in 0..count {
                let content = self.draw(bucket);
                entries.push(self.time(content)?);
            }
        }
        Ok(entries)
    }

    /// `count` random steps of random buckets.
    pub fn validation(
        &mut self,
        sizes: &[StepSize],
        count: u32,
        progress: Progress<'_>,
    ) -> Result<Vec<ReplayEntry>, CollectError> {
        let mut entries = Vec::new();
        for done in 0..count {
            progress("steps for validation", u64::from(done), u64::from(count));
            let bucket = of_bucket(sizes, &mut self.random);
            let content = self.draw(bucket);
            entries.push(self.time(content)?);
        }
        Ok(entries)
    }
}

/// Median and outer percentiles of some times, ns.
pub(super) fn spread(times: impl Iterator<Item = f64>) -> TimeSpread {
    let mut times: Vec<f64> = times.collect();
    let [p10, median, p90] =
        percentiles(&mut times, [0.1, 0.5, 0.9]).map(|time| (time.round() as u64).max(1));
    TimeSpread { median, p10, p90 }
}
