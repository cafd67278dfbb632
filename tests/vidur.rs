//! Vidur's bundles and its simulator: a small bundle of our own always, and runs of Vidur's where
//! `SIMGATE_VIDUR_DATA` names the folder that has them.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use simgate::backend::vidur::{
    Vidur, VidurConfig, VidurPolicy, VidurRequest, VidurRouter, VidurRun, VidurRunConfig,
    VidurSimulator, parity,
};
use simgate::backend::{Backend, Kind};
use simgate::model::ModelShape;
use simgate::predict::{VidurBatch, VidurPredictor, VidurSettings};
use simgate::profile::vidur::VidurBundle;
use simgate::workload::{read_vidur_rows, vidur_workload};

const SHAPE: ModelShape = ModelShape {
    layers: 4,
    heads: 8,
    kv_heads: 2,
    hidden_size: 64,
    intermediate_size: 128,
    max_positions: 512,
    post_attention_norm: true,
};

fn small() -> PathBuf {
    support::root().join("tests/vidur-bundle")
}

fn read_small(dir: &Path) -> Result<VidurBundle, String> {
    VidurBundle::read(dir, &SHAPE, 2, 2, 16).map_err(|error| error.to_string())
}

/// The small bundle's predictor.
fn predictor(host: bool) -> VidurPredictor {
    let settings = VidurSettings {
        tensor_parallel: 2,
        pipeline_parallel: 2,
        host,
        ..VidurSettings::default()
    };
    VidurPredictor::new(&read_small(&small()).unwrap(), &SHAPE, settings).unwrap()
}

/// A layer of the small bundle, from the formulas of its make.py.
fn layer_ms(tokens: f64) -> f64 {
    let rounded = (tokens / 8.0).ceil() * 8.0;
    let ops: f64 = (1..=9).map(|op| f64::from(op) * (0.01 + rounded / 4096.0)).sum();
    ops + 2.0 * (0.008 + rounded / 8192.0 + 0.02)
}

#[test]
fn a_stage_takes_what_its_measured_points_and_tables_say() {
    let decode_ms = |batch: f64, kv: f64| 1.1 * (0.01 + batch / 1024.0 + kv / 8192.0);
    let prefill_ms = |kv: f64, chunk: f64| 0.02 + kv / 8192.0 + chunk / 1024.0;
    // Three decodes of 100 tokens in the mean, and a chunk of 30 tokens behind 192.
    let batch = VidurBatch {
        tokens: 33,
        sequences: 4,
        decodes: 3,
        decode_kv: 302,
        prefills: 1,
        prefill_kv: 192,
        chunk_squares: 900,
        last_stage: true,
    };
    let layer = layer_ms(33.0) + decode_ms(3.0, 128.0) + prefill_ms(192.0, 30.0);
    let close = |found: f64, expected: f64| {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    };
    close(predictor(false).stage_ms(&batch).unwrap(), 2.0 * layer);
    let first = VidurBatch { last_stage: false, ..batch };
    close(predictor(false).stage_ms(&first).unwrap(), 2.0 * layer + 0.05 + 40.0 / 8192.0);
    let host: f64 = (1..=5).map(|share| 0.01 * f64::from(share) + 4.0 / 1024.0).sum();
    close(predictor(true).stage_ms(&batch).unwrap(), 2.0 * layer + host);
    // One decode alone has no overhead.
    let one = VidurBatch {
        tokens: 1,
        sequences: 1,
        decodes: 1,
        decode_kv: 64,
        last_stage: true,
        ..VidurBatch::default()
    };
    close(
        predictor(false).stage_ms(&one).unwrap(),
        2.0 * (layer_ms(1.0) + decode_ms(1.0, 64.0) / 1.1),
    );
}

#[test]
fn what_was_not_measured_is_named_and_counts_as_nothing() {
    assert_eq!(read_small(&small()).unwrap().unmeasured(), ["attn_kv_cache_save"]);
}

#[test]
fn a_step_beyond_the_tables_names_op_variable_and_range() {
    let decode = |decodes, decode_kv| VidurBatch {
        tokens: decodes,
        sequences: decodes,
        decodes,
        decode_kv,
        ..VidurBatch::default()
    };
    let prefill = |tokens: u32, prefill_kv| VidurBatch {
        tokens,
        sequences: 1,
        prefills: 1,
        prefill_kv,
        chunk_squares: u64::from(tokens).pow(2),
        ..VidurBatch::default()
    };
    for (batch, expected) in [
        (decode(9, 9), "op `attn_decode` for batch_size 1 to 8, not 9"),
        (decode(1, 600), "op `attn_decode` for kv_cache_size 0 to 512, not 640"),
        (prefill(8, 576), "op `attn_prefill` for kv_cache_size 0 to 512, not 576"),
        (prefill(257, 0), "for num_tokens 1 to 256, not 257"),
        (VidurBatch::default(), "for num_tokens 1 to 256, not 0"),
    ] {
        let message = predictor(false).stage_ms(&batch).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn settings_that_the_bundle_cannot_follow_are_refused() {
    let bundle = read_small(&small()).unwrap();
    for (settings, expected) in [
        (
            VidurSettings { pipeline_parallel: 3, ..VidurSettings::default() },
            "cannot split 4 layers evenly into 3",
        ),
        (
            VidurSettings { kv_granularity: 100, ..VidurSettings::default() },
            "in steps of 64, which do not divide the granularity of 100",
        ),
    ] {
        let message = VidurPredictor::new(&bundle, &SHAPE, settings).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// A copy of the small bundle in which `from` of `file` is `to`; without `from`, the file is gone.
fn altered(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("predictions")).unwrap();
    for folder in ["", "predictions"] {
        for entry in fs::read_dir(small().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                fs::copy(&path, dir.path().join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let path = dir.path().join(file);
    if from.is_empty() {
        fs::remove_file(&path).unwrap();
    } else {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }
    dir
}

#[test]
fn each_fault_of_a_bundle_names_its_place_and_what_to_do() {
    let table = "predictions/attn_decode.csv";
    for (file, from, to, expected) in [
        (
            "mlp.csv",
            "",
            "",
            "no op `attn_pre_proj`: looked for predictions*/attn_pre_proj.csv, attn_pre_proj.csv and mlp.csv",
        ),
        ("all_reduce.csv", "", "", "no op `all_reduce`"),
        ("send_recv.csv", "", "", "no op `send_recv`"),
        ("attention.csv", "", "", "no op `attn_kv_cache_save`"),
        (
            "mlp.csv",
            "8,2,64,128,True,8,1",
            "8,4,64,128,True,8,1",
            "mlp.csv:4: column `n_kv_head`: 4, but the model has 2",
        ),
        (
            "mlp.csv",
            "128,True,8,1",
            "128,False,8,1",
            "mlp.csv:4: column `use_gated_mlp`: False, but True above",
        ),
        (
            "attention.csv",
            "64,8,2,16,2,1,1,0",
            "64,9,2,16,2,1,1,0",
            "attention.csv:2: column `n_q_head`: 9, but the model has 8",
        ),
        ("mlp.csv", "time_stats.add.median", "time_stats.added.median", "never"),
        (
            "mlp.csv",
            "time_stats.mlp_up_proj.median",
            "other",
            "mlp.csv:1: missing column `time_stats.mlp_up_proj.median`",
        ),
        (
            "mlp.csv",
            "0.010244141",
            "fast",
            "mlp.csv:9: column `time_stats.attn_pre_proj.median`: `fast` is not a finite number",
        ),
        (
            table,
            "1,64,0.018789063",
            "1,64,0",
            "attn_decode.csv:3: column `prediction`: 0 is no time above 0",
        ),
        (
            table,
            "1,64,0.018789063",
            "1,64,inf",
            "attn_decode.csv:3: column `prediction`: `inf` is not a finite number",
        ),
        (
            table,
            "1,64,0.018789063",
            "1,0,0.018789063",
            "attn_decode.csv:3: column `batch_size`: batch_size 1, kv_cache_size 0 stands there already",
        ),
        (
            table,
            "1,64,0.018789063\n",
            "",
            "attn_decode.csv: no row for batch_size 1, kv_cache_size 64",
        ),
        (
            table,
            "1,64,0.018789063",
            "1,64",
            "attn_decode.csv:3: ragged row: 2 fields where the header has 3",
        ),
        (
            table,
            "1,64,0.018789063",
            "one,64,0.018789063",
            "attn_decode.csv:3: column `batch_size`: `one` is not a finite number",
        ),
        (table, "kv_cache_size", "kv", "attn_decode.csv:1: missing column `kv_cache_size`"),
        ("send_recv.csv", "0.05006", "-0.05006", "is no time above 0"),
    ] {
        let dir = altered(file, from, to);
        let result = read_small(dir.path());
        if expected == "never" {
            // Vidur fills in zeros for it.
            assert!(result.unwrap().unmeasured().contains(&"add"));
            continue;
        }
        let message = result.unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn degrees_and_block_sizes_that_were_not_measured_are_told_from_those_that_were() {
    let read = |tensor, pipeline, block| {
        VidurBundle::read(&small(), &SHAPE, tensor, pipeline, block).unwrap_err().to_string()
    };
    for (message, expected) in [
        (read(4, 1, 16), "4 in column `num_tensor_parallel_workers`: the file has"),
        (
            read(2, 1, 32),
            "attention.csv: no rows with 32 in column `block_size`: the file has 1, 16",
        ),
    ] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn two_tables_of_one_op_are_refused_and_names_of_vidurs_cache_known() {
    let dir = altered("predictions/mlp_act.csv", "1,", "1,");
    let table = dir.path().join("predictions/mlp_act.csv");
    fs::copy(&table, dir.path().join("mlp_act_0a1b2c3d_predictions.csv")).unwrap();
    let message = read_small(dir.path()).unwrap_err();
    assert!(message.contains("are both fitted tables of op `mlp_act`: remove one"), "{message}");
    fs::remove_file(&table).unwrap();
    assert_eq!(read_small(dir.path()), read_small(&small()));
}

fn config(policy: VidurPolicy, router: VidurRouter) -> VidurConfig {
    let light = policy == VidurPolicy::LightLlm;
    VidurConfig {
        policy,
        router,
        replicas: 2,
        pipeline_parallel: if light { 1 } else { 2 },
        block_tokens: if light { 1 } else { 16 },
        blocks: if light { 2000 } else { 125 },
        watermark_blocks: 1,
        max_sequences: 8,
        max_batch: 4,
        chunk_tokens: 100,
        max_request_tokens: 200,
        max_waiting_steps: 10,
        seed: 7,
    }
}

fn simulator(config: VidurConfig) -> VidurSimulator {
    let stages = config.pipeline_parallel;
    let settings =
        VidurSettings { tensor_parallel: 2, pipeline_parallel: stages, ..VidurSettings::default() };
    let bundle = read_small(&small()).unwrap();
    VidurSimulator::new(VidurPredictor::new(&bundle, &SHAPE, settings).unwrap(), config).unwrap()
}

fn check_run(requests: &[VidurRequest], run: &VidurRun, config: &VidurConfig) {
    for (request, outcome) in requests.iter().zip(&run.requests) {
        let times = [
            request.arrived_at,
            outcome.scheduled_at,
            outcome.prefill_completed_at,
            outcome.completed_at,
        ];
        assert!(times.is_sorted(), "{times:?}");
    }
    for (request, (times, outcome)) in
        requests.iter().zip(run.token_times.iter().zip(&run.requests))
    {
        assert!(times.is_sorted());
        assert_eq!(times.last(), Some(&outcome.completed_at));
        assert_eq!(outcome.restarts, 0, "the blocks are enough");
        assert_eq!(times.len(), request.decode_tokens as usize);
    }
    for step in &run.steps {
        assert!(step.replica < config.replicas && step.tokens >= step.size);
        assert!(step.execution_time >= step.predicted_ms * 1e-3 - 1e-9);
    }
    let computed: u64 = run.steps.iter().map(|step| u64::from(step.tokens)).sum();
    let asked =
        requests.iter().map(|r| u64::from(r.prefill_tokens + r.decode_tokens - 1)).sum::<u64>();
    assert_eq!(computed, asked, "every token is computed once, but the last");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_policy_and_router_serves_every_request_in_order(
        lengths in prop::collection::vec((0.0_f64..0.05, 1_u32..61, 1_u32..60), 1..20),
        policy in 0_usize..5,
        router in 0_usize..3,
    ) {
        let mut arrived_at = 0.0;
        let requests: Vec<VidurRequest> = lengths.iter().map(|&(gap, prefill_tokens, decode_tokens)| {
            arrived_at += gap;
            VidurRequest { arrived_at, prefill_tokens, decode_tokens }
        }).collect();
        let config = config(VidurPolicy::ALL[policy].1, VidurRouter::ALL[router].1);
        let simulator = simulator(config);
        let run = simulator.run(&requests).unwrap();
        check_run(&requests, &run, &config);
        prop_assert_eq!(simulator.run(&requests).unwrap(), run);
    }
}

#[test]
fn requests_that_come_together_are_spread_by_those_that_wait() {
    let requests = [VidurRequest { arrived_at: 0.0, prefill_tokens: 50, decode_tokens: 9 }; 4];
    let run = simulator(config(VidurPolicy::Sarathi, VidurRouter::LeastOutstanding))
        .run(&requests)
        .unwrap();
    let on = |replica| {
        run.steps.iter().filter(|s| s.replica == replica).map(|s| s.prefill_tokens).sum::<u32>()
    };
    assert_eq!((on(0), on(1)), (100, 100));
    // One at a time, the queues are always empty: the first replica gets all.
    let apart: Vec<VidurRequest> = requests
        .iter()
        .zip(0..)
        .map(|(r, i)| VidurRequest { arrived_at: f64::from(i), ..*r })
        .collect();
    let run =
        simulator(config(VidurPolicy::Sarathi, VidurRouter::LeastOutstanding)).run(&apart).unwrap();
    assert!(run.steps.iter().all(|step| step.replica == 0));
}

#[test]
fn what_vidur_would_hang_on_is_refused_before_the_start() {
    let run = |policy, prefill_tokens, decode_tokens| {
        let request = VidurRequest { arrived_at: 0.0, prefill_tokens, decode_tokens };
        let small = VidurConfig { blocks: 8, ..config(policy, VidurRouter::RoundRobin) };
        simulator(small).run(&[request]).unwrap_err().to_string()
    };
    for (message, expected) in [
        (
            run(VidurPolicy::Sarathi, 128, 1),
            "request 0 needs 9 KV blocks, the watermark included, and there are 8",
        ),
        (
            run(VidurPolicy::Vllm, 101, 1),
            "has a prompt of 101 tokens, but a step takes 100 at most",
        ),
        (run(VidurPolicy::Orca, 1, 1), "needs 12 KV blocks"),
        (run(VidurPolicy::Sarathi, 150, 51), "has 201 tokens, more than 200"),
    ] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_backend_returns_tokens_and_says_that_it_repeats_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.csv");
    fs::write(&path, "arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,20,3\n0.5,30,4\n")
        .unwrap();
    let workload = vidur_workload(&read_vidur_rows(&path, Default::default()).unwrap());
    let mut vidur = Vidur::new(simulator(config(VidurPolicy::Vllm, VidurRouter::RoundRobin)));
    assert_eq!(vidur.kind(), Kind::Deterministic);
    let run = vidur.run(&workload, 0).unwrap();
    let tokens: Vec<u32> = run.requests.iter().map(|r| r.decode_tokens_actual).collect();
    assert_eq!(tokens, [3, 4]);
    assert!(run.requests[0].first_token_ns.unwrap() > 500_000_000);
}

/// What Vidur's own schedulers did with small clusters whose steps take what the small bundle says; see
/// `vidur-runs/make.py`.
#[test]
fn every_policy_does_what_vidurs_own_schedulers_did() {
    let mut restarts = 0;
    let runs = support::root().join("tests/vidur-runs");
    for name in ["sarathi", "vllm", "orca", "faster_transformer", "lightllm"] {
        let dir = runs.join(name);
        let config = VidurRunConfig::read(&dir.join("config.json")).unwrap();
        let run = simulate(&small(), &config, &dir.join("trace.csv"));
        let [requests, batches] =
            ["request_metrics.csv", "batch_metrics.csv.gz"].map(|f| dir.join(f));
        for parity in parity(&run, &requests, Some(&batches)).unwrap() {
            assert!(parity.rows > 0 && parity.holds(1e-6), "{name}: {parity:?}");
        }
        restarts += run.requests.iter().map(|request| request.restarts).sum::<u32>();
    }
    assert!(restarts > 0, "the runs hold no restart");
}

/// The folder with Vidur's data; without it, says so.
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("SIMGATE_VIDUR_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("skipped: SIMGATE_VIDUR_DATA is not set");
    }
    data
}

fn simulate(bundle: &Path, config: &VidurRunConfig, trace: &Path) -> VidurRun {
    let settings = config.settings;
    let (tensor, pipeline) = (settings.tensor_parallel, settings.pipeline_parallel);
    let block = config.config.block_tokens;
    let bundle = VidurBundle::read(bundle, &config.shape, tensor, pipeline, block).unwrap();
    let predictor = VidurPredictor::new(&bundle, &config.shape, settings).unwrap();
    let rows = read_vidur_rows(trace, config.trace).unwrap();
    let request = |row: &simgate::workload::TraceRow| VidurRequest {
        arrived_at: row.arrived_at,
        prefill_tokens: row.prefill_tokens,
        decode_tokens: row.decode_tokens,
    };
    let requests: Vec<VidurRequest> = rows.iter().map(request).collect();
    VidurSimulator::new(predictor, config.config).unwrap().run(&requests).unwrap()
}

#[test]
fn runs_of_vidurs_are_met_in_every_batch_and_request() {
    let Some(data) = data() else { return };
    for name in ["run-sarathi-1000", "run-vllm-1000"] {
        let dir = data.join(name);
        let config = VidurRunConfig::read(&dir.join("config.json")).unwrap();
        assert_eq!(config.config.blocks, 27_904);
        let mut run = simulate(&data, &config, &data.join("conv1000.csv"));
        let [requests, batches] =
            ["request_metrics.csv", "batch_metrics.csv.gz"].map(|f| dir.join(f));
        for parity in parity(&run, &requests, Some(&batches)).unwrap() {
            assert!(parity.holds(1e-9), "{name}: {parity:?}");
        }
        // The predictor's own times. The file's are differences of a clock of up to 1000 s, whose float is
        // good to 1.2e-13 s: 1e-11 of a batch of 10 ms.
        for step in &mut run.steps {
            step.execution_time = step.predicted_ms * 1e-3;
        }
        let found = parity(&run, &requests, Some(&batches)).unwrap();
        let time = found.iter().find(|parity| parity.column == "batch_execution_time").unwrap();
        assert!(time.rows == run.steps.len() && time.largest < 1e-9, "{name}: {time:?}");
    }
}

#[test]
fn ten_thousand_requests_make_the_batches_and_tokens_that_vidur_made() {
    let Some(data) = data() else { return };
    let config = VidurRunConfig::read(&data.join("run-sarathi-1000/config.json")).unwrap();
    let started = std::time::Instant::now();
    let run = simulate(&data, &config, &data.join("conv10000.csv"));
    println!("read and simulated in {:?}", started.elapsed());
    let tokens: usize = run.token_times.iter().map(Vec::len).sum();
    assert_eq!((run.steps.len(), tokens), (183_330, 2_184_052));
}

#[test]
fn the_profiles_are_near_the_tables_that_were_fitted_to_them() {
    let Some(data) = data() else { return };
    let config = VidurRunConfig::read(&data.join("run-sarathi-1000/config.json")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["mlp.csv", "attention.csv", "all_reduce.csv", "send_recv.csv", "cpu_overheads.csv"]
    {
        fs::copy(data.join(name), dir.path().join(name)).unwrap();
    }
    let measured = VidurBundle::read(dir.path(), &config.shape, 2, 2, 16).unwrap();
    let fitted = VidurBundle::read(&data, &config.shape, 2, 1, 16).unwrap();
    assert_eq!((measured.host.len(), measured.unmeasured()), (5, &["attn_kv_cache_save"][..]));
    let batch = VidurBatch {
        tokens: 544,
        sequences: 33,
        decodes: 32,
        decode_kv: 32 * 1000,
        prefills: 1,
        prefill_kv: 512,
        chunk_squares: 512 * 512,
        last_stage: true,
    };
    let ms = |bundle: &VidurBundle| {
        let settings = VidurSettings { pipeline_parallel: 1, ..config.settings };
        VidurPredictor::new(bundle, &config.shape, settings).unwrap().stage_ms(&batch).unwrap()
    };
    let (measured, fitted) = (ms(&measured), ms(&fitted));
    assert!((measured / fitted - 1.0).abs() < 0.05, "{measured} {fitted}");
}

fn command(arguments: &[&Path]) -> (Option<i32>, String) {
    let output = support::simgate(&support::root(), &["vidur"]).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_command_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = command(&[dir.path(), Path::new("--bundle"), &small()]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("config.json"), "{text}");
}

#[test]
fn the_command_tells_a_run_that_is_met_from_one_that_is_not() {
    let Some(data) = data() else { return };
    let run = data.join("run-vllm-1000");
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (code, text) = command(&[&run, Path::new("--bundle"), &data, Path::new("--out"), &out]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(simgate::run::read(&out).unwrap().requests.len(), 1000);
    fs::copy(run.join("config.json"), dir.path().join("config.json")).unwrap();
    let metrics = fs::read_to_string(run.join("request_metrics.csv")).unwrap();
    let altered = metrics.replacen("0,1.2323410559999974,", "0,1.2323440559999974,", 1);
    assert_ne!(metrics, altered);
    fs::write(dir.path().join("request_metrics.csv"), altered).unwrap();
    let (code, text) = command(&[dir.path(), Path::new("--bundle"), &data]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("DIFFERS"), "{text}");
}

#[test]
fn results_of_vidurs_are_read_as_the_runs_that_they_are() {
    let Some(data) = data() else { return };
    let run = simgate::run::read_vidur(&data.join("run-vllm-1000/request_metrics.csv")).unwrap();
    let first = &run.requests[0];
    assert_eq!(
        (first.first_token_ns, first.completion_ns),
        (Some(70_072_512), Some(1_232_341_056))
    );
    assert_eq!(run.requests.len(), 1000);
}
