//! Sides from a Vidur bundle, and clusters, as cases have them.

mod support;

use std::path::PathBuf;

use simgate::Gate;
use simgate::gate::{CaseFile, Role};
use simgate::report::{Style, Times};

const ENGINE: &str = "{ policy: sarathi, chunk_tokens: 128, max_sequences: 8, kv_block_tokens: 16, kv_blocks: 300, ignore_eos: true }";

/// A project with one case, whose bundle and model are this repository's.
struct Project(tempfile::TempDir);

impl Project {
    fn new(engine: &str, cluster: &str, sides: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = support::root();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let config = std::fs::read_to_string(root.join("models/vidur-tiny/config.json")).unwrap();
        write("models/vidur-tiny/config.json", &config);
        let rows: String = (0..60)
            .map(|i| format!("{},{},{}\n", 1.5 + 0.02 * f64::from(i), 20 + i, 5 + i))
            .collect();
        write("cases/t.csv", &format!("arrived_at,num_prefill_tokens,num_decode_tokens\n{rows}"));
        let bundle = root.join("tests/vidur-bundle");
        let sides = sides.replace("BUNDLE", bundle.to_str().unwrap());
        let trace = "{ trace: { file: t.csv, format: vidur, time_scale: 1, max_tokens: 400 } }";
        write(
            "cases/c.yaml",
            &format!("model: vidur-tiny\nworkload: {trace}\nengine: {engine}\n{cluster}{sides}\n"),
        );
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn gate(&self) -> (Gate, CaseFile) {
        let gate = Gate::new(self.path("cases")).baselines(self.path("baselines"));
        let file = gate.case_files().unwrap().remove(0);
        (gate, file)
    }

    /// Why the case has no verdict.
    fn error(&self) -> String {
        let (gate, file) = self.gate();
        match gate.check(&file).judged {
            Err(error) => error.to_string(),
            Ok(_) => "a verdict".to_owned(),
        }
    }
}

const PARITY: &str = "real: { vidur: { bundle: BUNDLE } }\nsim: { native: { bundle: BUNDLE } }";

#[test]
fn two_simulators_on_one_bundle_are_compared_exactly() {
    let tolerance = "\ntolerance: { ttft: { p50: 0.01% }, tbt: { p50: 0.01% } }";
    let project =
        Project::new(ENGINE, "cluster: { tensor_parallel: 2 }\n", &(PARITY.to_owned() + tolerance));
    let (gate, file) = project.gate();
    let outcome = gate.check(&file);
    let judged = outcome.judged.unwrap();
    assert_eq!(judged.verdict().as_str(), "within");
    assert!(judged.report("c").remarks().iter().any(|r| r.contains("never measured")));
}

#[test]
fn a_random_router_has_seeds_and_others_have_one_run() {
    for (router, runs) in [("random", 16), ("least_outstanding", 1)] {
        let cluster = format!("cluster: {{ replicas: 3, router: {router}, tensor_parallel: 2 }}\n");
        let sides = PARITY.replace("vidur: { bundle", "native: { bundle");
        let (gate, file) = Project::new(ENGINE, &cluster, &sides).gate_of();
        let side = gate.serve(&file, Role::Sim, &|_, _, _| {}).unwrap().side;
        assert_eq!(side.runs.len(), runs, "{router}");
        let names = |i: usize| -> Vec<_> {
            side.runs[i].requests.iter().map(|r| r.backend.clone().unwrap()).collect()
        };
        assert!(names(0).iter().any(|name| &**name == "replica-2"));
        assert!(runs == 1 || names(0) != names(1));
    }
}

impl Project {
    /// A gate that outlives its folder: nothing is read after the case.
    fn gate_of(self) -> (Gate, CaseFile) {
        let found = self.gate();
        std::mem::forget(self);
        found
    }
}

#[test]
fn what_cannot_be_served_is_named_before_anything_runs() {
    let small = ENGINE.replace("kv_blocks: 300", "kv_blocks: 5");
    let tensor = "cluster: { tensor_parallel: 2 }\n";
    for sides in [PARITY.to_owned(), PARITY.replace("vidur: { bundle", "native: { bundle")] {
        let message = Project::new(&small, tensor, &sides).error();
        assert!(message.contains("request ") && message.contains("KV blocks"), "{message}");
    }
    let message = Project::new(ENGINE, "cluster: { tensor_parallel: 4 }\n", PARITY).error();
    assert!(message.contains("4") && message.contains("num_tensor_parallel_workers"), "{message}");
}

#[test]
fn keys_that_would_do_nothing_are_refused() {
    let early = ENGINE.replace("ignore_eos: true", "ignore_eos: false");
    let tensor = "cluster: { tensor_parallel: 2 }\n";
    let message = Project::new(&early, tensor, PARITY).error();
    assert!(message.contains("a bundle knows no texts"), "{message}");
    let recorded = "real: { recorded: { runs: [r] } }\nsim: { recorded: { runs: [s] } }";
    let message = Project::new(ENGINE, tensor, recorded).error();
    assert!(message.contains("neither side is served here"), "{message}");
    let random = "cluster: { replicas: 2, router: random, tensor_parallel: 2 }\n";
    let message = Project::new(ENGINE, random, PARITY).error();
    assert!(message.contains("Python's generator"), "{message}");
}

#[test]
fn a_result_of_vidurs_is_a_recorded_side() {
    let sides = "real: { import: { format: vidur, files: [request_metrics.csv], boundary: engine } }\nsim: { vidur: { bundle: BUNDLE } }";
    let project = Project::new(ENGINE, "cluster: { tensor_parallel: 2 }\n", sides);
    let (gate, file) = project.gate();
    let run = gate.serve(&file, Role::Sim, &|_, _, _| {}).unwrap().side.runs.remove(0);
    // As Vidur writes it: in seconds, and silent about when the first request came.
    let mut text = "Request Id,request_inter_arrival_delay,prefill_e2e_time,request_e2e_time,request_num_prefill_tokens,request_num_decode_tokens,request_num_restarts,decode_time_execution_plus_preemption_normalized\n".to_owned();
    let s = |ns: u64| ns as f64 / 1e9;
    for (i, r) in run.requests.iter().enumerate() {
        let (first, end) = (r.first_token_ns.unwrap(), r.completion_ns.unwrap());
        let delay = match i {
            0 => String::new(),
            _ => s(r.arrival_ns - run.requests[i - 1].arrival_ns).to_string(),
        };
        let normalized = s(end - first) / f64::from(r.decode_tokens);
        text.push_str(&format!(
            "{},{delay},{},{},{}.0,{}.0,0,{normalized}\n",
            r.request_id,
            s(first - r.arrival_ns),
            s(end - r.arrival_ns),
            r.prefill_tokens,
            r.decode_tokens,
        ));
    }
    std::fs::write(project.path("cases/request_metrics.csv"), text).unwrap();
    let judged = gate.check(&file).judged.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(judged.verdict().as_str(), "structure only");
    let details = judged.report("c").details(Times::Rounded, Style::Markdown);
    let row = |figure: &str| details.lines().find(|line| line.contains(figure)).unwrap_or_default();
    assert!(row("ttft.p50").contains("0.00 %"), "{details}");
    assert!(row("tpot.p90").contains("0.00 %"), "{details}");
}
