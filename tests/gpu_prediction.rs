//! Predictions of a GPU whose steps follow a law that the test knows: the step model must find it, the simulator
//! must serve by it, and what is wrong with a simulator must be told by its name.

#![cfg(feature = "candle")]

mod support;

use std::path::{Path, PathBuf};

use simgate::collect::{refit, validate};
use simgate::compare::{Figure, Metric};
use simgate::engine::{
    Clock, Detail, EngineConfig, ExecuteError, Executor, Launch, Limits, Policy, State,
    StepOutcome, StepPlan, StepSpans, VirtualClock, serve,
};
use simgate::gate::{CaseFile, Gate};
use simgate::model::{AttentionWork, Buckets, GpuOp, ModelConfig, StepSize};
use simgate::predict::{Ablation, variables};
use simgate::profile::{
    Content, GpuTimes, LaunchEntry, OpTimesEntry, Profile, ProfileMeta, ProfiledGpu, ReplayEntry,
    TimeSpread, Times,
};
use simgate::run::{self, Boundary, Device, Host, Keep, Run, RunMeta};
use simgate::stats::Random;
use simgate::study::{Explained, Fault, Part};
use simgate::workload::{Request, Workload};

const LIMITS: [(u32, u32); 2] = [(64, 8), (32, 8)];
const LAUNCH_NS: u64 = 7_000;
const BESIDE_NS: u64 = 1_500;

/// What steps take on the GPU of this test.
struct Law {
    work: AttentionWork,
    buckets: Buckets,
}

impl Law {
    fn new(config: &ModelConfig, limits: (u32, u32)) -> Self {
        Self { work: AttentionWork::new(config, 132), buckets: Buckets::new(limits.0, limits.1) }
    }

    fn bucket(&self, sequences: &[(u32, u32)]) -> StepSize {
        let size = StepSize::of_tokens(sequences.iter().map(|sequence| sequence.0));
        self.buckets.all()[self.buckets.fitting(size).unwrap()]
    }

    /// From launch to tokens, ns.
    fn time(&self, sequences: &[(u32, u32)]) -> f64 {
        let bucket = self.bucket(sequences);
        let x = variables(&self.work, bucket, sequences);
        let weights = 600_000.0 + 3_000.0 * f64::from(bucket.tokens);
        weights + 20_000.0 * x[0] + 30.0 * x[2] + 60_000.0 * x[4] + 50_000.0 * x[7] + 10.0 * x[9]
    }

    /// Steps of every number of tokens and sequences that fall into `bucket`, or of some of them: at the start of
    /// prompts, as far into them as there is, and at random places.
    fn contents(&self, bucket: StepSize, keep: f64, random: &mut Random) -> Vec<Content> {
        let mut contents = Vec::new();
        for n in 1..=bucket.sequences {
            for tokens in n..=bucket.tokens {
                for chunks in [1, n / 2, n.saturating_sub(1), n] {
                    let chunks = if tokens == n { 0 } else { chunks.max(1) };
                    if tokens - n < chunks || self.of(n, tokens, chunks, 0) != Some(bucket) {
                        continue;
                    }
                    let places = [0, MOST_CONTEXT, random.below(40), random.below(MOST_CONTEXT)];
                    for place in places {
                        if random.unit() < keep {
                            contents.push(content(n, tokens, chunks, place as u32));
                        }
                    }
                }
            }
        }
        contents
    }

    fn of(&self, n: u32, tokens: u32, chunks: u32, context: u32) -> Option<StepSize> {
        let size = StepSize::of_tokens(content(n, tokens, chunks, context).0.iter().map(|s| s.0));
        self.buckets.fitting(size).map(|place| self.buckets.all()[place])
    }
}

/// Longest context of a measured step.
const MOST_CONTEXT: u64 = 260;

/// `n` sequences of `tokens` in all, which `chunks` of them share but for one each, around one context.
fn content(n: u32, tokens: u32, chunks: u32, context: u32) -> Content {
    let spare = tokens - n;
    let share = |i: u32| 1 + spare / chunks + u32::from(i < spare % chunks);
    let sequence = |i: u32| {
        let near = context.saturating_sub(7 * i);
        if i < chunks { (share(i), near) } else { (1, near) }
    };
    Content((0..n).map(sequence).collect())
}

/// Serves by the law, with a little noise.
struct LawExecutor<'a> {
    law: &'a Law,
    random: Random,
}

impl Executor for LawExecutor<'_> {
    fn execute(
        &mut self,
        plan: &StepPlan,
        _state: &State,
        start_ns: u64,
        _clock: &dyn Clock,
    ) -> Result<StepOutcome, ExecuteError> {
        let sequences: Vec<(u32, u32)> = plan.sequences().collect();
        let noise = 1.0 + 0.002 * self.random.normal();
        let device = (self.law.time(&sequences) * noise) as u64;
        let (schedule_ns, prepare_ns) = (40_000, 60_000);
        let spans = StepSpans {
            schedule_ns,
            prepare_ns,
            launch_ns: LAUNCH_NS,
            wait_ns: device - LAUNCH_NS,
            post_ns: 50_000,
            gpu_ns: Some(device - BESIDE_NS),
        };
        let end_ns = start_ns + schedule_ns + prepare_ns + device;
        let bucket = Some(self.law.bucket(&sequences).to_string().into());
        Ok(StepOutcome { end_ns, spans, bucket, ..StepOutcome::default() })
    }
}

fn engine((chunk_tokens, max_sequences): (u32, u32)) -> EngineConfig {
    EngineConfig {
        policy: Policy::Sarathi,
        chunk_tokens,
        max_sequences,
        kv_block_tokens: 16,
        kv_blocks: Some(4_000),
        kv_watermark_bp: 100,
        launch: Launch::Graph,
        ignore_eos: true,
    }
}

fn served(law: &Law, workload: &Workload, limits: (u32, u32), process: u32) -> Run {
    let random = Random::new(7, u64::from(process));
    let mut executor = LawExecutor { law, random };
    let mut clock = VirtualClock::default();
    let (engine, any) = (engine(limits), Limits::default());
    let run = serve(workload, &engine, any, Detail::Steps, &mut executor, &mut clock);
    let mut meta = RunMeta::new("candle", Boundary::Engine);
    meta.run_id = Some(format!("law-{}-{process}", workload.seed));
    meta.process = Some(process);
    meta.device = Some(Device {
        name: "Test H0".into(),
        uuid: Some("GPU-1".into()),
        driver: None,
        cuda: None,
    });
    meta.host = Some(Host { cpu: "test".into(), cores: None });
    Run { meta: Some(meta), ..run.unwrap().run }
}

fn workload(requests: u32, seed: u64) -> Workload {
    let mut random = Random::new(seed, 0);
    let mut now = 0;
    let request = |i: u32| {
        now += 1 + random.below(9_000_000);
        Request {
            request_id: u64::from(i),
            prompt_id: format!("p{i}"),
            prefill_tokens: 5 + random.below(180) as u32,
            decode_tokens: 10 + random.below(30) as u32,
            arrival_ns: now,
        }
    };
    Workload { requests: (0..requests).map(request).collect(), prompts: Vec::new(), seed }
}

fn spread(ns: f64) -> TimeSpread {
    let median = ns as u64;
    TimeSpread { median, p10: median, p90: median }
}

/// A bundle of the law's steps, fitted.
fn bundle(config: &ModelConfig, folder: &Path, dir: &Path) -> Profile {
    let mut times = GpuTimes::default();
    let mut random = Random::new(1, 0);
    let calibration = dir.join("calibration");
    for (place, limits) in LIMITS.into_iter().enumerate() {
        let law = Law::new(config, limits);
        let replay = |bucket: StepSize, content: Content| ReplayEntry {
            process: 0,
            bucket,
            wall: spread(law.time(&content.0)),
            gpu: spread(law.time(&content.0) - BESIDE_NS as f64),
            content,
            samples: 1,
        };
        for &bucket in law.buckets.all() {
            let contents = law.contents(bucket, 1.0, &mut random);
            times.replays.extend(contents.into_iter().map(|c| replay(bucket, c)));
            if place == 0 {
                let contents = law.contents(bucket, 0.01, &mut random);
                times.validation.extend(contents.into_iter().map(|c| replay(bucket, c)));
            }
        }
        for process in 0..2 {
            let run = served(&law, &workload(120, 100), limits, process);
            let name = format!("p{process}-steady-{}x{}", limits.0, limits.1);
            std::fs::create_dir_all(&calibration).unwrap();
            run::write_compact(&run, &calibration.join(name), Keep::Whole).unwrap();
        }
    }
    times.ops.push(OpTimesEntry {
        process: 0,
        op: GpuOp::Qkv,
        bucket: "decode-1".parse().unwrap(),
        content: "1@64".parse().unwrap(),
        gpu: spread(1e5),
        one_layer: spread(5e4),
        issue: spread(8e4),
        samples: 1,
    });
    for name in ["issue", "round_trip", "wait", "graph_gap", "eager_gap", "queue_depth"] {
        times.launches.push(LaunchEntry { process: 0, name: name.into(), value: 3_000.0 });
    }
    let meta = ProfileMeta {
        schema_version: 1,
        model: "qwen3-0.6b".into(),
        model_config: config.hash(),
        weights: "random(0)".into(),
        device: "Test H0".into(),
        device_uuid: Some("GPU-1".into()),
        host: "test".into(),
        commit: None,
        kv_block_tokens: 16,
        gpu: Some(ProfiledGpu {
            driver: None,
            multiprocessors: 132,
            kv_blocks: 4_000,
            limits: LIMITS.to_vec(),
            processes: 2,
        }),
        run_ids: (0..2).map(|process| format!("law-100-{process}")).collect(),
        started_at: "2026-01-01T00:00:00Z".into(),
        ended_at: "2026-01-01T00:01:00Z".into(),
    };
    Profile { meta, times: Times::Gpu(Box::new(times)) }.write_inside(dir).unwrap();
    refit(folder, dir).unwrap()
}

/// A project with the bundle and one recorded case.
struct Lawful {
    dir: tempfile::TempDir,
    profile: Profile,
    config: ModelConfig,
}

impl Lawful {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("models/qwen3-0.6b");
        std::fs::create_dir_all(&folder).unwrap();
        let from = support::root().join("models/qwen3-0.6b/config.json");
        std::fs::copy(from, folder.join("config.json")).unwrap();
        let config = ModelConfig::read(&folder).unwrap();
        let bundle_dir = dir.path().join("baselines/h0/profiles/qwen3-0.6b");
        std::fs::create_dir_all(&bundle_dir).unwrap();
        let profile = bundle(&config, &folder, &bundle_dir);
        let lawful = Self { dir, profile, config };
        lawful.record(LIMITS[0]);
        lawful
    }

    fn record(&self, limits: (u32, u32)) {
        let law = Law::new(&self.config, limits);
        let workload = workload(400, 3);
        simgate::workload::write(&workload, &self.dir.path().join("w")).unwrap();
        let place = self.dir.path().join("baselines/c");
        for process in 0..5 {
            let mut run = served(&law, &workload, limits, 10 + process);
            run.steps.iter_mut().for_each(|step| step.gpu_ns = None);
            let dir = place.join(format!("p{process}r0"));
            run::write_compact(&run, &dir, Keep::Whole).unwrap();
        }
        let traced = served(&law, &workload, limits, 20);
        run::write_compact(&traced, &place.join(run::TRACED), Keep::Whole).unwrap();
        let (chunk, sequences) = limits;
        std::fs::create_dir_all(self.dir.path().join("cases")).unwrap();
        std::fs::write(
            self.dir.path().join("cases/c.yaml"),
            format!(
                "model: qwen3-0.6b\nhardware: h0\nworkload: {{ dir: w }}\n\
                 engine: {{ policy: sarathi, chunk_tokens: {chunk}, max_sequences: {sequences}, kv_block_tokens: 16, kv_blocks: 4000, launch: graph, ignore_eos: true }}\n\
                 real: {{ candle: {{ processes: 5, repeats: 1 }} }}\n\
                 sim: {{ native: {{ profile: h0/qwen3-0.6b, seeds: 4 }} }}\n\
                 tolerance: {{ ttft: {{ p50: 2%, p90: 3% }}, tbt: {{ p50: 2%, p90: 3%, p99: 5% }} }}\n"
            ),
        )
        .unwrap();
    }

    fn gate(&self) -> Gate {
        Gate::new(self.dir.path().join("cases"))
    }

    fn file(&self) -> CaseFile {
        self.gate().case_files().unwrap().remove(0)
    }

    fn explain(&self, fault: Option<Fault>) -> Vec<Explained> {
        self.gate().explain(&self.file(), fault).unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("models/qwen3-0.6b")
    }
}

#[test]
fn the_step_model_finds_the_law_also_where_it_was_not_measured() {
    let lawful = Lawful::new();
    let validation = validate(&lawful.profile, &lawful.config).unwrap();
    let [median, p95, bias] = validation.errors();
    assert!(median < 0.003 && p95 < 0.03 && bias.abs() < 0.002, "{median} {p95} {bias}");
    let told = validation.steps.iter().find(|step| step.error().is_some()).unwrap();
    assert!(told.origin.starts_with("fitted to "), "{}", told.origin);
    // Nothing is predicted beyond what was measured, and the message says what to do.
    for step in validation.steps.iter().filter(|step| step.error().is_none()) {
        let message = step.predicted.as_ref().unwrap_err().to_string();
        assert!(message.contains("collect it with `simgate profile qwen3-0.6b"), "{message}");
    }
    assert!(validation.refused() * 5 < validation.steps.len());
}

#[test]
fn a_bundle_reads_back_as_it_was_written_and_fits_the_same_again() {
    let lawful = Lawful::new();
    let dir = lawful.dir.path().join("baselines/h0/profiles/qwen3-0.6b");
    let read = Profile::read(&dir, "").unwrap();
    assert_eq!(read.hash(), lawful.profile.hash());
    assert_eq!(read.meta, lawful.profile.meta);
    assert_eq!(refit(&lawful.folder(), &dir).unwrap().hash(), lawful.profile.hash());
    // So it does where what was fitted is missing or of another version.
    std::fs::remove_file(dir.join("step_points.csv.zst")).unwrap();
    std::fs::write(dir.join("step_model.csv.zst"), "bucket").unwrap();
    assert_eq!(refit(&lawful.folder(), &dir).unwrap().hash(), lawful.profile.hash());
}

#[test]
fn a_lawful_simulator_is_within_and_nothing_is_blamed() {
    let lawful = Lawful::new();
    let judged = lawful.gate().judge_fault(&lawful.file(), None).unwrap();
    assert!(judged.verdict_passes(), "{:#?}", judged.comparison.figures);
    let explained = lawful.explain(None);
    assert_eq!(explained.len(), 6);
    for figure in &explained {
        assert!(figure.reproduced.abs() < 0.005, "{figure:?}");
        // One repeat among five.
        assert!(figure.remainder.abs() < 0.05, "{figure:?}");
        let sum = figure.shares.iter().sum::<f64>() + figure.remainder;
        assert!((sum - figure.error).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.culprit(0.02), None, "{figure:?}");
    }
}

#[test]
fn every_fault_is_outside_and_blamed_on_its_part() {
    let lawful = Lawful::new();
    for (fault, part, metric) in [
        (Fault::Gpu(110), Part::Gpu, Metric::Tbt),
        (Fault::Ablated(Ablation::NoHost), Part::Host, Metric::Tbt),
        (Fault::ChunkHalved, Part::Plans, Metric::Ttft),
        (Fault::Ablated(Ablation::HostOnly), Part::Gpu, Metric::Tbt),
    ] {
        let judged = lawful.gate().judge_fault(&lawful.file(), Some(fault)).unwrap();
        assert_eq!(judged.exit_code(), 1, "{fault:?}");
        let explained = lawful.explain(Some(fault));
        let of = |e: &&Explained| e.figure.metric == metric;
        let figures: Vec<Figure> = explained.iter().filter(of).map(|e| e.figure).collect();
        assert_eq!(figures.len(), 3);
        let worst =
            explained.iter().filter(of).max_by(|a, b| a.error.abs().total_cmp(&b.error.abs()));
        assert_eq!(worst.unwrap().culprit(0.02), Some(part), "{fault:?}: {explained:#?}");
    }
}

#[test]
fn a_simulation_is_the_same_every_time() {
    let lawful = Lawful::new();
    let hash = || {
        let judged = lawful.gate().judge_fault(&lawful.file(), None).unwrap();
        judged.comparison.figures.iter().map(|f| f.sim_ns.to_bits()).collect::<Vec<u64>>()
    };
    let first = hash();
    assert_eq!(first, hash());
    let other = std::thread::scope(|scope| scope.spawn(hash).join().unwrap());
    assert_eq!(first, other);
}

#[test]
fn runs_that_fitted_the_profile_may_not_gate_it() {
    let lawful = Lawful::new();
    let place = lawful.dir.path().join("baselines/c/p0r0/run_meta.json");
    let text = std::fs::read_to_string(&place).unwrap();
    std::fs::write(&place, text.replace("law-3-10", "law-100-1")).unwrap();
    let message = lawful.gate().judge_fault(&lawful.file(), None).unwrap_err().to_string();
    assert!(message.contains("law-100-1"), "{message}");
}

#[test]
fn an_engine_of_other_limits_is_refused_with_the_command_that_helps() {
    let lawful = Lawful::new();
    lawful.record((128, 8));
    let message = lawful.gate().judge_fault(&lawful.file(), None).unwrap_err().to_string();
    assert!(message.contains("the profile has no step of bucket"), "{message}");
    assert!(message.contains("--limits TOKENSxSEQUENCES"), "{message}");
}

#[test]
fn faulty_tables_of_a_bundle_are_named_with_line_and_column() {
    let lawful = Lawful::new();
    let dir = lawful.dir.path().join("baselines/h0/profiles/qwen3-0.6b");
    for (name, find, replace, expected) in [
        ("replays.csv", "decode-1,1@", "decode-1,0@", "is no content of a step"),
        ("replays.csv", "0,decode-1,", "0,decode-x,", "is no size of a step"),
        ("gpu_ops.csv", "qkv", "softmax", "`softmax` is no op of a step on a GPU"),
        ("step_model.csv", "decode-1,decode_blocks,", "decode-1,blocks,", "expected `blocks`"),
        ("step_points.csv", "\ndecode-1,", "\ndecode-7,", "step_model.csv has no bucket decode-7"),
        ("step_points.csv", ",0 ", ",", "expected 13 numbers"),
    ] {
        let packed = dir.join(format!("{name}.zst"));
        let whole = std::fs::read(&packed).unwrap();
        let text = simgate::files::read_text(&packed).unwrap();
        assert!(text.contains(find), "{name} has no {find}");
        simgate::files::write_inside(&packed, text.replacen(find, replace, 1).as_bytes()).unwrap();
        let message = Profile::read(&dir, "").unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("column `"), "{message}");
        std::fs::write(&packed, whole).unwrap();
    }
    simgate::files::write_inside(&dir.join("step_points.csv.zst"), b"bucket,weight,place\n")
        .unwrap();
    let message = Profile::read(&dir, "").unwrap_err().to_string();
    assert!(message.contains("bucket decode-1 has no points"), "{message}");
}
