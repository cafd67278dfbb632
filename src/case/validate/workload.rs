//! The workload block: a directory, or a recipe with all of its parts.

use super::super::units::Count;
use super::super::workload_schema::{
    ArrivalsFile, LengthsFile, PromptsFile, TraceFile, TraceFormatFile, WorkloadFile,
};
use super::{At, Check, Location, Scalar, WorkloadSource};
use crate::workload::{Arrivals, Lengths, Prompts, Recipe, VidurTrace};

impl Check {
    pub(super) fn workload(&mut self, workload: &At<WorkloadFile>) -> WorkloadSource {
        let WorkloadFile { dir, trace, prompts, output_tokens, arrivals, requests, seed } =
            &workload.value;
        let recipe = [
            ("prompts", prompts.is_some()),
            ("output_tokens", output_tokens.is_some()),
            ("arrivals", arrivals.is_some()),
            ("requests", requests.is_some()),
        ];
        let whole = [dir.as_ref().map(|d| ("dir", d.at)), trace.as_ref().map(|t| ("trace", t.at))];
        if let Some((name, at)) = whole.into_iter().flatten().next() {
            let more = [("seed", seed.is_some()), ("trace", trace.is_some() && name == "dir")];
            for (key, _) in recipe.into_iter().chain(more).filter(|(_, present)| *present) {
                let message = format!("`workload.{key}` beside `workload.{name}`");
                let what = if name == "dir" { "directory" } else { "trace" };
                let help = format!("a {what} holds the whole workload: keep one of them");
                self.problem(at, message, help);
            }
        }
        if let Some(dir) = dir {
            return WorkloadSource::Dir(self.text("dir", dir).into());
        }
        if let Some(trace) = trace {
            return self.trace(&trace.value);
        }
        for (key, _) in recipe.into_iter().filter(|(_, present)| !present) {
            let help = format!(
                "add `{key}:`, or the whole workload as `{{ dir: PATH }}` or `{{ trace: {{ file: PATH, format: vidur }} }}`"
            );
            self.problem(workload.at, format!("`workload.{key}` is missing"), help);
        }
        WorkloadSource::Recipe(Recipe {
            prompts: prompts
                .as_ref()
                .map_or(Prompts::Synthetic(Lengths::Fixed(1)), |p| self.prompts(p)),
            output_tokens: output_tokens.as_ref().map_or(Lengths::Fixed(1), |l| self.lengths(l)),
            arrivals: arrivals.as_ref().map_or(Arrivals::AllAtOnce, |a| self.arrivals(a)),
            requests: requests.as_ref().map_or(1, |n| self.count("requests", n, 1)),
            seed: seed.as_ref().and_then(|s| self.value(s)).unwrap_or(0),
        })
    }

    fn trace(&mut self, trace: &TraceFile) -> WorkloadSource {
        let TraceFormatFile::Vidur = trace.format;
        let mut scale =
            |name, number: &Option<_>| number.as_ref().map_or(1.0, |n| self.positive(name, n));
        let scaled = VidurTrace {
            time_scale: scale("time_scale", &trace.time_scale),
            prefill_scale: scale("prefill_scale", &trace.prefill_scale),
            decode_scale: scale("decode_scale", &trace.decode_scale),
            max_tokens: trace.max_tokens.as_ref().map(|n| self.count("max_tokens", n, 2)),
        };
        WorkloadSource::Trace {
            file: self.text("file", &trace.file).into(),
            scaled,
            requests: trace.requests.as_ref().map(|n| self.count("requests", n, 1)),
        }
    }

    fn prompts(&mut self, prompts: &PromptsFile) -> Prompts {
        match prompts {
            PromptsFile::File(path) => Prompts::File(self.text("file", path).into()),
            PromptsFile::Synthetic { tokens } => Prompts::Synthetic(self.lengths(tokens)),
        }
    }

    fn lengths(&mut self, lengths: &LengthsFile) -> Lengths {
        match lengths {
            LengthsFile::Fixed(tokens) => Lengths::Fixed(self.count("fixed", tokens, 1)),
            LengthsFile::Uniform { min, max } => {
                let (min, max) = self.bounds(min, max);
                Lengths::Uniform { min, max }
            }
            LengthsFile::Zipf { min, max, exponent } => {
                let exponent = self.positive("exponent", exponent);
                let (min, max) = self.bounds(min, max);
                Lengths::Zipf { min, max, exponent }
            }
            LengthsFile::Lognormal { median, sigma, min, max } => {
                let (at, median) = (median.at, self.positive("median", median));
                let sigma = self.positive("sigma", sigma);
                let (min, max) = self.bounds(min, max);
                // Outside its bounds nearly every draw would be thrown away.
                if self.0.is_empty() && !(f64::from(min)..=f64::from(max)).contains(&median) {
                    let message = format!("the median {median} lies outside {min} to {max}");
                    self.problem(at, message, "widen the bounds, or move the median between them");
                }
                Lengths::Lognormal { median, sigma, min, max }
            }
            LengthsFile::Trace(path) => Lengths::Trace(self.text("trace", path).into()),
        }
    }

    fn bounds(&mut self, min: &Scalar<Count>, max: &Scalar<Count>) -> (u32, u32) {
        let at: Location = max.at;
        let (min, max) = (self.count("min", min, 1), self.count("max", max, 1));
        if max < min {
            self.problem(at, format!("`max` is {max}, below `min`, {min}"), "swap them");
        }
        (min, max)
    }

    fn arrivals(&mut self, arrivals: &ArrivalsFile) -> Arrivals {
        match arrivals {
            ArrivalsFile::Fixed { every } => {
                let every_ns = self.value(every).unwrap_or(1);
                if every_ns == 0 {
                    self.problem(every.at, "`every` is 0", "write `arrivals: all_at_once`");
                }
                Arrivals::Fixed { every_ns }
            }
            ArrivalsFile::AllAtOnce => Arrivals::AllAtOnce,
            ArrivalsFile::Poisson { rate } => {
                Arrivals::Poisson { rate: self.positive("rate", rate) }
            }
            ArrivalsFile::Gamma { rate, cv } => {
                Arrivals::Gamma { rate: self.positive("rate", rate), cv: self.positive("cv", cv) }
            }
            ArrivalsFile::Trace(path) => Arrivals::Trace(self.text("trace", path).into()),
        }
    }
}
