//! The recording that the simulator is gated against. It is synthetic: no machine was measured.
//! `cargo test -p own-simulator --test recording -- --ignored` writes it anew.

use std::path::Path;

use simgate::backend::served;
use simgate::run::{self, Boundary, Run, RunMeta};
use simgate::workload::{self, Request, Workload};

fn workload() -> Workload {
    let request = |i: u32| Request {
        request_id: u64::from(i),
        prompt_id: format!("p{i}"),
        prefill_tokens: 10 + i,
        decode_tokens: 8,
        arrival_ns: u64::from(i) * 1_000_000_000,
    };
    Workload { requests: (0..60).map(request).collect(), ..Workload::default() }
}

/// TTFT 2.02 ms + 50 us a prompt token, gaps of 1.49 ms, all times `scale`.
fn run(scale: f64, process: u32) -> Run {
    let workload = workload();
    let times = |request: &Request| -> Vec<u64> {
        let ttft = 2.02e6 + 50e3 * f64::from(request.prefill_tokens);
        let at = |k: u32| request.arrival_ns + ((ttft + 1.49e6 * f64::from(k)) * scale) as u64;
        (0..request.decode_tokens).map(at).collect()
    };
    let mut meta = RunMeta::new("synthetic", Boundary::Engine);
    meta.hashes.workload = Some(workload.hash());
    meta.process = Some(process);
    let times: Vec<Vec<u64>> = workload.requests.iter().map(times).collect();
    served(&workload, &times, meta)
}

#[test]
#[ignore = "writes the committed recording"]
fn write_the_recording() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("baselines/one-at-a-time");
    workload::write(&workload(), &root.join("workload")).unwrap();
    for (process, scale) in [0.996, 0.998, 1.0, 1.002, 1.004].into_iter().enumerate() {
        run::write(&run(scale, process as u32), &root.join(format!("real/r{process}"))).unwrap();
    }
}
