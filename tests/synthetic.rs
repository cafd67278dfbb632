//! The synthetic baselines: written by the formula here, and still what it gives.

mod support;

use std::path::PathBuf;

use simgate::backend::served;
use simgate::files::{read_text, write_inside};
use simgate::run::{self, Boundary, Run, RunMeta};
use simgate::workload::{self, Request, Workload};
use support::root;

const REQUESTS: u64 = 301;
const TOKENS: u64 = 3;
/// Requests never overlap.
const EVERY_NS: u64 = 100_000_000;
/// Five repeats whose geometric mean is the formula itself.
const REPEATS: [f64; 5] = [0.998, 0.999, 1.0, 1.0 / 0.999, 1.0 / 0.998];

fn workload() -> Workload {
    let request = |i| Request {
        request_id: i,
        prompt_id: format!("p{i}"),
        prefill_tokens: 16,
        decode_tokens: TOKENS as u32,
        arrival_ns: i * EVERY_NS,
    };
    Workload { requests: (0..REQUESTS).map(request).collect(), ..Workload::default() }
}

/// Request i: TTFT 10 ms + i x 0.1 ms, gaps 1 ms + i x 0.01 ms, all times `scale`.
fn run(scale: f64, process: u32) -> Run {
    let workload = workload();
    let times = |request: &Request| -> Vec<u64> {
        let i = request.request_id as f64;
        let (ttft, gap) = (10e6 + i * 0.1e6, 1e6 + i * 0.01e6);
        let at =
            |token: u64| request.arrival_ns + ((ttft + gap * token as f64) * scale).round() as u64;
        (0..TOKENS).map(at).collect()
    };
    let mut meta = RunMeta::new("synthetic", Boundary::Engine);
    meta.hashes.workload = Some(workload.hash());
    meta.process = Some(process);
    let times: Vec<Vec<u64>> = workload.requests.iter().map(times).collect();
    served(&workload, &times, meta)
}

/// Each side's folder and how much slower than the formula it is.
fn sides() -> [(PathBuf, f64); 3] {
    let root = root().join("baselines/synthetic");
    [
        (root.join("within/real"), 1.0),
        (root.join("within/sim"), 1.01),
        (root.join("outside/sim"), 1.08),
    ]
}

#[test]
fn committed_runs_are_what_the_formula_gives() {
    for (dir, slower) in sides() {
        let found = run::read_repeats(&dir).unwrap();
        assert_eq!(found.len(), REPEATS.len());
        for (k, (dir, repeat)) in found.iter().zip(REPEATS).enumerate() {
            assert_eq!(
                run::read(dir).unwrap(),
                run(slower * repeat, k as u32),
                "{}",
                dir.display()
            );
        }
    }
}

#[test]
fn percentiles_are_those_known_by_hand() {
    let root = root();
    let file = |relative: &str| simgate::gate::CaseFile {
        path: root.join(format!("cases/{relative}.yaml")),
        name: relative.replace('/', "::"),
        relative: relative.to_owned(),
    };
    let outcome = simgate::Gate::new(root.join("cases")).check(&file("synthetic/within"));
    let judged = outcome.judged.unwrap();
    // Percentile p of 0..=300 is 300 p; pooled gaps stand twice each, which changes nothing.
    for (figure, real_ms) in [
        ("ttft.p50", 25.0),
        ("ttft.p90", 37.0),
        ("ttft.p99", 39.7),
        ("tbt.p50", 2.5),
        ("tbt.p90", 3.7),
        ("tbt.p99", 3.97),
        ("tpot.p50", 2.5),
        ("tpot.p90", 3.7),
        ("tpot.p99", 3.97),
        ("e2e.p50", 30.0),
        ("e2e.p90", 44.4),
        ("e2e.p99", 47.64),
    ] {
        let found = judged.comparison.figure(figure.parse().unwrap()).unwrap();
        // Each time was rounded to a nanosecond once.
        assert!((found.real_ns - real_ms * 1e6).abs() < 2.0, "{figure}: {}", found.real_ns);
        assert!((found.error() - 0.01).abs() < 1e-6, "{figure}: {}", found.error());
    }
}

/// `cargo test --test synthetic -- --ignored` writes the baselines anew.
#[test]
#[ignore = "writes the committed baselines"]
fn write_the_baselines() {
    let packed = ["request_metrics.csv", "token_metrics.csv"];
    for (dir, slower) in sides() {
        for (k, repeat) in REPEATS.into_iter().enumerate() {
            let dir = dir.join(format!("r{k}"));
            run::write(&run(slower * repeat, k as u32), &dir).unwrap();
            for name in packed {
                let path = dir.join(name);
                let text = read_text(&path).unwrap();
                write_inside(&dir.join(format!("{name}.zst")), text.as_bytes()).unwrap();
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    let root = root().join("baselines/synthetic/within/workload");
    workload::write(&workload(), &root).unwrap();
}
