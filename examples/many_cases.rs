//! Writes a project of many synthetic cases, to measure the gate with: `many_cases DIR CASES`.

use std::fs;
use std::path::Path;

use simgate::backend::served;
use simgate::run::{self, Boundary, RunMeta};
use simgate::workload::{self, Request, Workload};

const REQUESTS: u64 = 300;
const TOKENS: u64 = 32;

/// Times that differ between requests, tokens, runs and cases.
fn write_run(workload: &Workload, dir: &Path, scale: f64, seed: u64) -> Result<(), run::RunError> {
    let mut state = seed;
    let mut random = || {
        // Knuth's 64-bit linear congruential generator; its high bits are good enough for times.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut times = |request: &Request| -> Vec<u64> {
        let mut now = request.arrival_ns as f64 + (10e6 + 5e6 * random()) * scale;
        let mut next = |token| {
            now += if token == 0 { 0.0 } else { (2e6 + 1e6 * random()) * scale };
            now as u64
        };
        (0..TOKENS).map(&mut next).collect()
    };
    let times: Vec<Vec<u64>> = workload.requests.iter().map(&mut times).collect();
    run::write(&served(workload, &times, RunMeta::new("synthetic", Boundary::Engine)), dir)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(cases)) = (arguments.next(), arguments.next()) else {
        return Err("usage: many_cases DIR CASES".into());
    };
    let (root, cases) = (Path::new(&dir), cases.parse::<u64>()?);
    let request = |i| Request {
        request_id: i,
        prompt_id: format!("p{i}"),
        prefill_tokens: 8,
        decode_tokens: TOKENS as u32,
        arrival_ns: i * 1_000_000_000,
    };
    let workload =
        Workload { requests: (0..REQUESTS).map(request).collect(), ..Workload::default() };
    fs::create_dir_all(root.join("cases"))?;
    workload::write(&workload, &root.join("workload"))?;
    for case in 0..cases {
        for (side, slower) in [("real", 1.0), ("sim", 1.01)] {
            fs::create_dir_all(root.join(format!("runs/{case}/{side}")))?;
            for repeat in 0..5 {
                let scale = slower * (1.0 + 0.002 * repeat as f64);
                let runs = root.join(format!("runs/{case}/{side}/r{repeat}"));
                write_run(&workload, &runs, scale, case * 10 + repeat)?;
            }
        }
        let side = |side| format!("{{ recorded: {{ runs: [runs/{case}/{side}] }} }}");
        let text = format!(
            "workload: {{ dir: workload }}\nreal: {}\nsim: {}\ntolerance:\n  \
             ttft: {{ p50: 5%, p90: 5%, p99: 5% }}\n  tbt: {{ p50: 5%, p90: 5%, p99: 5% }}\n",
            side("real"),
            side("sim")
        );
        fs::write(root.join(format!("cases/c{case}.yaml")), text)?;
    }
    Ok(())
}
