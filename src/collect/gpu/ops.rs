//! Single ops inside the step of some content, and what launching costs.

use super::contents::Range;
use super::replays::{Bench, spread};
use crate::collect::{CollectError, Progress};
use crate::model::{GpuOp, LaunchCosts, StepKind, StepSize};
use crate::profile::{LaunchEntry, OpTimesEntry};

/// Times of each op.
const SAMPLES: usize = 3;
/// Contexts at which attention is timed, and the one at which all ops are.
const CONTEXTS: [u32; 8] = [0, 64, 128, 256, 512, 1_024, 2_048, 8_192];
const ALL_OPS_AT: u32 = 64;

impl Bench<'_> {
    /// Every op over its own variables: all of them in the steps of each of `sizes` with one kind of
    /// sequences, attention at more contexts.
    pub fn ops(
        &mut self,
        sizes: &[StepSize],
        progress: Progress<'_>,
    ) -> Result<Vec<OpTimesEntry>, CollectError> {
        let plain = |size: &&StepSize| size.kind == StepKind::Decode || size.sequences == 1;
        let sizes: Vec<StepSize> = sizes.iter().filter(plain).copied().collect();
        let all: Vec<GpuOp> = GpuOp::all().collect();
        let mut entries = Vec::new();
        for (done, &bucket) in sizes.iter().enumerate() {
            progress("ops", done as u64, sizes.len() as u64);
            let range = Range::of(bucket, self.buckets);
            let capacity = self.capacity;
            for context in CONTEXTS.into_iter().filter(|&c| c <= capacity.max_context) {
                let content = range.full(context, capacity);
                if content.0.iter().all(|sequence| sequence.1 != context) {
                    continue;
                }
                let ops = match context == ALL_OPS_AT {
                    true => &all[..],
                    false => &[GpuOp::AttentionDecode, GpuOp::AttentionPrefill],
                };
                self.prepare(&content)?;
                for times in self.forward.times_of(ops, SAMPLES)? {
                    entries.push(OpTimesEntry {
                        process: self.process,
                        op: times.op,
                        bucket,
                        content: content.clone(),
                        gpu: spread(times.gpu_ns.into_iter()),
                        issue: spread(times.issue_ns.into_iter()),
                        one_layer: spread(times.one_layer_ns.into_iter()),
                        samples: SAMPLES as u32,
                    });
                }
            }
        }
        Ok(entries)
    }

    /// What launching costs.
    pub fn launches(&mut self, bucket: StepSize) -> Result<Vec<LaunchEntry>, CollectError> {
        let range = Range::of(bucket, self.buckets);
        self.prepare(&range.full(512, self.capacity))?;
        let costs = self.forward.launch_costs()?;
        let LaunchCosts { issue_ns, round_trip_ns, wait_ns, graph_gap_ns, eager_gap_ns, .. } =
            costs;
        let entry = |(name, value): (&str, f64)| LaunchEntry {
            process: self.process,
            name: name.to_owned(),
            value,
        };
        let all = [
            ("issue", issue_ns),
            ("round_trip", round_trip_ns),
            ("wait", wait_ns),
            ("graph_gap", graph_gap_ns),
            ("eager_gap", eager_gap_ns),
            ("queue_depth", f64::from(costs.queue_depth)),
        ];
        Ok(all.into_iter().map(entry).collect())
    }
}
