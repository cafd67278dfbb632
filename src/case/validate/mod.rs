//! From the form of a case file to checked values: units, ranges, and combinations that cannot be.

use std::path::{Path, PathBuf};

use serde_saphyr::Location;

use super::diagnostics::Diagnostics;
use super::scalar::{At, Scalar, Unit};
use super::schema::{CandleFile, CaseFile, ClusterFile, EngineFile, SideFile};
use super::{Case, Side, WorkloadSource};
use crate::compare::Tolerances;
use crate::engine::{Cluster, DEFAULT_KV_WATERMARK_BP, EngineConfig, Router};
use crate::files::sha256_hex;

mod tolerance;
mod workload;

/// Values and anchors that no case comes near, so that an alias bomb ends early.
const MAX_NODES: usize = 10_000;

/// Most requests, tokens or KV blocks: beyond, memory would end before the case does.
pub const MAX_COUNT: u32 = 100_000_000;
/// Most runs of one side.
const MAX_RUNS: u32 = 10_000;
/// Most replicas, and most devices along one dimension.
pub const MAX_REPLICAS: u32 = 10_000;

/// Parses and checks the text of a case file.
pub(super) fn case(path: &Path, text: &str) -> Result<Case, Diagnostics> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: MAX_NODES },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
    };
    let mut check = Check(Diagnostics::new(path, text));
    if text.trim().is_empty() {
        check.problem(
            Location::UNKNOWN,
            "the file is empty",
            "`simgate new` writes a starter case",
        );
        return Err(check.0);
    }
    match serde_saphyr::from_str_with_options::<CaseFile>(text, options) {
        Ok(file) => {
            let mut case = check.case(path, &file);
            case.fingerprint = fingerprint(text);
            if check.0.is_empty() { Ok(case) } else { Err(check.0) }
        }
        Err(error) => {
            check.0.add_yaml(&error);
            Err(check.0)
        }
    }
}

/// SHA-256 of a case's content: its values without comments, order of keys or spacing.
fn fingerprint(text: &str) -> String {
    // What parsed as a case parses as any value; a text that somehow does not is hashed as it stands.
    let canonical = serde_saphyr::from_str::<serde_json::Value>(text)
        .map_or_else(|_| text.to_owned(), |value| value.to_string());
    sha256_hex(canonical.as_bytes())
}

/// Collects faults while values are read. A faulty value becomes a harmless one, since a case with
/// any fault is never returned.
struct Check(Diagnostics);

impl Check {
    fn problem(&mut self, at: Location, message: impl Into<String>, help: impl Into<String>) {
        self.0.add(at, message, help);
    }

    fn value<U: Unit>(&mut self, scalar: &Scalar<U>) -> Option<U::Value> {
        let quoted = || {
            let start = scalar.at.span().byte_offset().unwrap_or(u64::MAX) as usize;
            self.0.text().get(start..).is_some_and(|rest| rest.starts_with(['"', '\'']))
        };
        let value = if U::BARE && quoted() { None } else { U::parse(scalar.text.trim()) };
        if value.is_none() {
            let message = format!("`{}` cannot be read here", scalar.text);
            self.problem(scalar.at, message, format!("write {}", U::EXAMPLES));
        }
        value
    }

    /// A count of at least `min`.
    fn count(&mut self, name: &str, scalar: &Scalar<super::units::Count>, min: u32) -> u32 {
        let Some(value) = self.value(scalar) else { return min };
        let most = match name {
            "processes" | "repeats" | "warmup" | "seeds" => MAX_RUNS,
            "replicas" | "tensor_parallel" | "pipeline_parallel" => MAX_REPLICAS,
            _ => MAX_COUNT,
        };
        if !(min..=most).contains(&value) {
            let help = format!("it lies between {min} and {most}");
            self.problem(scalar.at, format!("`{name}` is {value}"), help);
        }
        value
    }

    /// A number above 0.
    fn positive<U: Unit<Value = f64>>(&mut self, name: &str, scalar: &Scalar<U>) -> f64 {
        let Some(value) = self.value(scalar) else { return 1.0 };
        if value <= 0.0 {
            self.problem(scalar.at, format!("`{name}` is {}", scalar.text), "it lies above 0");
        }
        value
    }

    fn text(&mut self, name: &str, text: &At<String>) -> String {
        if text.value.trim().is_empty() {
            self.problem(text.at, format!("`{name}` is empty"), "name it, or leave the key out");
        }
        text.value.clone()
    }

    fn case(&mut self, path: &Path, file: &CaseFile) -> Case {
        let tolerances = file.tolerance.as_ref().map_or(Tolerances::None, |t| self.tolerances(t));
        let held = file.distances.as_ref().map(|d| self.distances(d)).unwrap_or_default();
        let case = Case {
            path: path.to_owned(),
            fingerprint: String::new(),
            model: file.model.as_ref().map(|m| self.text("model", m)),
            hardware: file.hardware.as_ref().map(|h| self.text("hardware", h)),
            workload: self.workload(&file.workload),
            engine: file.engine.as_ref().map(|e| self.engine(&e.value)),
            cluster: file.cluster.as_ref().map(|c| self.cluster(&c.value)).unwrap_or_default(),
            real: self.side(&file.real),
            sim: self.side(&file.sim),
            expect_outside: self.expect(file, &tolerances),
            kappa: self.kappa(file, &tolerances),
            distances: held.iter().map(|&(distance, value, _)| (distance, value)).collect(),
            distance_lines: held.iter().map(|&(distance, _, line)| (distance, line)).collect(),
            lines: file.tolerance.as_ref().map(|t| tolerance::lines(&t.value)).unwrap_or_default(),
            tolerances,
            any_machine: file.machine.is_some(),
            live_only: file.baseline.is_some(),
            allow_boundary_mismatch: file
                .allow_boundary_mismatch
                .as_ref()
                .map(|reason| self.text("allow_boundary_mismatch", reason)),
        };
        self.combinations(file, &case);
        case
    }

    fn engine(&mut self, file: &EngineFile) -> EngineConfig {
        EngineConfig {
            policy: file.policy,
            chunk_tokens: self.count("chunk_tokens", &file.chunk_tokens, 1),
            max_sequences: self.count("max_sequences", &file.max_sequences, 1),
            kv_block_tokens: self.count("kv_block_tokens", &file.kv_block_tokens, 1),
            kv_blocks: file.kv_blocks.as_ref().map(|n| self.count("kv_blocks", n, 1)),
            kv_watermark_bp: file.kv_watermark.as_ref().map_or(DEFAULT_KV_WATERMARK_BP, |share| {
                let fraction = self.value(share).unwrap_or(0.0);
                if fraction >= 1.0 {
                    self.problem(
                        share.at,
                        "`kv_watermark` leaves no block to use",
                        "it lies below 100%",
                    );
                }
                (fraction.min(1.0) * 10_000.0).round() as u32
            }),
            launch: file.launch,
            ignore_eos: file.ignore_eos,
        }
    }

    fn cluster(&mut self, file: &ClusterFile) -> Cluster {
        let mut or_one = |name, count: &Option<Scalar<_>>| {
            count.as_ref().map_or(1, |count| self.count(name, count, 1))
        };
        Cluster {
            replicas: or_one("replicas", &file.replicas),
            router: file.router,
            tensor_parallel: or_one("tensor_parallel", &file.tensor_parallel),
            pipeline_parallel: or_one("pipeline_parallel", &file.pipeline_parallel),
        }
    }

    fn side(&mut self, side: &At<SideFile>) -> Side {
        let or = |this: &mut Self, name, count: &Option<Scalar<_>>, min, default| {
            count.as_ref().map_or(default, |count| this.count(name, count, min))
        };
        match &side.value {
            SideFile::Candle(recipe) => {
                let none = CandleFile::default();
                let CandleFile { processes, repeats, warmup } = recipe.as_ref().unwrap_or(&none);
                Side::Candle {
                    processes: or(self, "processes", processes, 1, 5),
                    repeats: or(self, "repeats", repeats, 1, 1),
                    warmup: or(self, "warmup", warmup, 0, 1),
                }
            }
            SideFile::Transformers => Side::Transformers,
            SideFile::Itself => Side::Itself,
            SideFile::Native { profile: Some(profile), bundle: None, seeds } => Side::Native {
                profile: self.profile(profile),
                // With fewer, the spread between seeds cannot be told.
                seeds: or(self, "seeds", seeds, 3, 16),
            },
            SideFile::Native { profile: None, bundle: Some(bundle), seeds } => {
                if let Some(seeds) = seeds {
                    let help = "leave `seeds` out: a bundle holds no spread, and predicts one run";
                    self.problem(seeds.at, "`seeds` beside `bundle`", help);
                }
                Side::Bundle(self.text("bundle", bundle).into())
            }
            SideFile::Native { profile, .. } => {
                let which = if profile.is_some() { "both" } else { "neither" };
                let help = "name a `profile`, or a `bundle` of Vidur";
                let message = format!("`native` with {which} of `profile` and `bundle`");
                self.problem(side.at, message, help);
                Side::Bundle(PathBuf::new())
            }
            SideFile::Vidur { bundle } => Side::Vidur(self.text("bundle", bundle).into()),
            SideFile::Recorded { runs, boundary } => {
                if runs.is_empty() {
                    self.problem(
                        side.at,
                        "`runs` names no directory",
                        "name at least one run directory",
                    );
                }
                Side::Recorded { runs: self.paths("runs", runs), boundary: *boundary }
            }
            SideFile::Registered { name, repeats, boundary } => Side::Registered {
                name: self.text("name", name),
                repeats: repeats.as_ref().map(|count| self.count("repeats", count, 1)),
                boundary: *boundary,
            },
            SideFile::Import { format, files, boundary } => Side::Import {
                format: format.clone(),
                files: self.paths("files", files),
                boundary: *boundary,
            },
            SideFile::Command(words) => {
                if words.is_empty() {
                    self.problem(side.at, "`command` is empty", "name a program and its arguments");
                }
                Side::Command(words.clone())
            }
            SideFile::Endpoint { url } => Side::Endpoint(self.text("url", url)),
        }
    }

    fn paths(&mut self, name: &str, paths: &[At<String>]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.text(name, path).into()).collect()
    }

    fn profile(&mut self, profile: &At<String>) -> String {
        let two_parts = profile.value.split_once('/').is_some_and(|(hardware, model)| {
            !hardware.is_empty() && !model.is_empty() && !profile.value.contains("..")
        });
        if profile.value != "here" && !two_parts {
            let message = format!("`{}` names no profile", profile.value);
            self.problem(
                profile.at,
                message,
                "write HARDWARE/MODEL as under baselines/, or `here`",
            );
        }
        profile.value.clone()
    }

    /// Whether `side` can be as many engines on as many devices as the case says.
    fn devices(&mut self, file: &CaseFile, case: &Case, side: &Side) {
        let Some(at) = file.cluster.as_ref().map(|cluster| cluster.at) else { return };
        let Cluster { replicas, tensor_parallel, pipeline_parallel, .. } = case.cluster;
        if case.engine.as_ref().is_some_and(|engine| !engine.ignore_eos) && replicas > 1 {
            let help = "add `ignore_eos: true` to `engine:`";
            self.problem(at, "several replicas whose texts may end early", help);
        }
        match side {
            Side::Candle { .. } | Side::Transformers if case.cluster.devices() > 1 => {
                let message =
                    format!("`cluster` of several devices beside a `{}` side", side.word());
                let help = "simgate serves on one device: name a recording, or leave `cluster` out";
                self.problem(at, message, help);
            }
            Side::Native { .. } if tensor_parallel.max(pipeline_parallel) > 1 => {
                let help = "name a `bundle` that holds the collectives, or keep to `replicas`";
                self.problem(at, "a `profile` is of one device, without collectives", help);
            }
            Side::Vidur(_) if replicas > 1 && case.cluster.router == Router::Random => {
                let help = "Vidur draws from Python's generator, which is not reproduced: write `round_robin`";
                self.problem(at, "`router: random` beside a `vidur` side", help);
            }
            _ => {}
        }
    }

    fn combinations(&mut self, file: &CaseFile, case: &Case) {
        let serves = |side: &Side| {
            let replayed = matches!(
                side,
                Side::Recorded { .. }
                    | Side::Import { .. }
                    | Side::Registered { .. }
                    | Side::Itself
            );
            !replayed
        };
        if let Some(cluster) = &file.cluster
            && !serves(&case.real)
            && !serves(&case.sim)
        {
            let help = "leave it out: neither side is served here";
            self.problem(cluster.at, "`cluster` in a case that only compares what there is", help);
        }
        for (side, at) in [(&case.real, file.real.at), (&case.sim, file.sim.at)] {
            let of_bundle = matches!(side, Side::Bundle(_) | Side::Vidur(_));
            let engine_runs =
                matches!(side, Side::Candle { .. } | Side::Native { .. } | Side::Transformers);
            if !engine_runs && !of_bundle {
                continue;
            }
            self.devices(file, case, side);
            if let (true, Some(engine), Some(block)) = (of_bundle, &case.engine, &file.engine)
                && !engine.ignore_eos
            {
                let help = "add `ignore_eos: true` to `engine:`: a bundle knows no texts";
                self.problem(block.at, "a side from a bundle whose texts may end early", help);
            }
            let absent = [
                ("model", case.model.is_none()),
                // A bundle does not say what it was measured on.
                ("hardware", case.hardware.is_none() && !of_bundle),
                ("engine", case.engine.is_none() && *side != Side::Transformers),
            ];
            for (key, _) in absent.into_iter().filter(|(_, absent)| *absent) {
                let message = format!("a `{}` side needs `{key}`", side.word());
                self.problem(at, message, format!("add `{key}:` to the case"));
            }
            let gated = case.is_gated();
            if let (Some(engine), Some(block)) = (&case.engine, &file.engine)
                && gated
                && engine.kv_blocks.is_none()
                && self.0.problems().iter().all(|p| !p.message.contains("kv_blocks"))
            {
                let help = "add `kv_blocks:`, so that both sides preempt alike";
                self.problem(block.at, "a gated case needs `kv_blocks`", help);
            }
        }
        if let (Some(kappa), Some(expect)) = (&file.kappa, &file.expect)
            && !kappa.is_empty()
        {
            let help = "leave `kappa` out: a negative control needs no wider tolerance";
            self.problem(expect.outside.at, "`expect` beside `kappa`", help);
        }
        let live = |side: &Side| !matches!(side, Side::Recorded { .. } | Side::Import { .. });
        if let Some(baseline) = &file.baseline
            && !live(&case.real)
        {
            let help = "leave `baseline: none` out, or let the real side run live";
            self.problem(
                baseline.at,
                "`baseline: none` on a case whose real side is recorded",
                help,
            );
        }
        if case.real == Side::Itself {
            let help =
                "name who serves it, such as `candle`; `sim: itself` compares it with itself";
            self.problem(file.real.at, "`real: itself`", help);
        }
        let computed = matches!(
            case.real,
            Side::Native { .. } | Side::Registered { .. } | Side::Bundle(_) | Side::Vidur(_)
        );
        if case.sim == Side::Itself && computed {
            let help = "only what was measured and recorded can be held against itself";
            self.problem(
                file.sim.at,
                "`sim: itself` beside a side that is computed or registered",
                help,
            );
        }
        if let (Side::Itself, Some(tolerance)) = (&case.sim, &file.tolerance) {
            let help =
                "leave `tolerance` out: it is for what a simulator predicts, and nothing does here";
            self.problem(tolerance.at, "a tolerance beside `sim: itself`", help);
        }
        if case.sim == Side::Itself && case.live_only {
            let help = "leave `baseline: none` out: its recording is what it is compared with";
            self.problem(file.sim.at, "`sim: itself` on a case without a recording", help);
        }
        if let SideFile::Native { profile: Some(profile), .. } = &file.sim.value
            && profile.value == "here"
            && !case.live_only
        {
            let help = "add `baseline: none`, or name a profile under baselines/";
            self.problem(profile.at, "`profile: here` on a case that is not live-only", help);
        }
    }
}
