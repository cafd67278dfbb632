//! Ways in which a gate could be green though it should not: each is red or refused.

mod support;

use simgate::backend::served;
use simgate::compare::{CaseVerdict, Verdict};
use simgate::run::{Boundary, Device, RunMeta, TokenTimes};
use simgate::{Backend, BackendError, Kind, Run, Workload};
use support::{Project, TTFT_P50, run_of};

fn project() -> Project {
    Project::new(40, 3)
}

#[test]
fn a_key_with_nothing_behind_it_does_not_switch_the_gate_off() {
    let project = project();
    for more in [
        "tolerance:\n  # ttft: { p50: 5% }\n",
        "tolerance: ~\n",
        "tolerance: { ttft: }\n",
        "tolerance: { ttft: { p50: ~, p90: 5% } }\n",
        "engine:\n",
        "expect:\n",
    ] {
        let message = project.error(more);
        assert!(message.contains("--> "), "{more}: {message}");
    }
}

#[test]
fn a_zero_in_one_repeat_does_not_ungate_a_figure() {
    let project = project();
    for (side, gap) in [("real", 10), ("sim", 100)] {
        for k in 0..5 {
            let gap = if k == 0 { 0 } else { gap * 1_000_000 + k };
            let times: Vec<Vec<u64>> = project
                .workload
                .requests
                .iter()
                .map(|r| {
                    let first = r.arrival_ns + 10_000_000 + k + u64::from(side == "sim") * 9;
                    (0..3).map(|token| first + token * gap).collect()
                })
                .collect();
            let run = served(&project.workload, &times, RunMeta::new("test", Boundary::Engine));
            project.write_run(&format!("{side}/r{k}"), &run);
        }
    }
    project.case("c", "tolerance: { ttft: { p50: 5% }, tbt: { p50: 5% } }\n");
    let judged = project.check("c").judged.unwrap();
    assert_eq!(
        judged.comparison.figure("tbt.p50".parse().unwrap()).unwrap().verdict,
        Some(Verdict::Outside)
    );
    assert!(!judged.verdict_passes());
}

#[test]
fn a_side_is_not_held_against_itself() {
    let project = project();
    let case = |sim: &str| {
        project.write("cases/c.yaml", format!(
            "workload: {{ dir: w }}\nreal: {{ recorded: {{ runs: [real], boundary: engine }} }}\nsim: {{ recorded: {{ runs: [{sim}], boundary: engine }} }}\n{TTFT_P50}"
        ));
        project.check("c").judged.unwrap_err().to_string()
    };
    assert_eq!(case("real"), "real/r0 stands there twice: name each run once, on one side");
    assert_eq!(
        case("sim/r0, sim/r0, sim/r0"),
        "sim/r0 stands there twice: name each run once, on one side"
    );
}

#[test]
fn copies_are_seen_with_or_without_their_token_times() {
    let project = project();
    let run = run_of(&project.workload, 1.0);
    project.write_run("real/r3", &Run { tokens: None, ..run });
    assert!(project.error(TTFT_P50).contains("real/r0 and real/r3 have the same times"));
}

#[test]
fn sides_that_name_unlike_settings_or_models_are_refused() {
    let project = project();
    for (side, digit) in [("real", "a"), ("sim", "b")] {
        project.change_side(side, |run| {
            let mut meta = RunMeta::new("test", Boundary::Engine);
            meta.hashes.engine = Some(digit.repeat(64));
            run.meta = Some(meta);
        });
    }
    let message = project.error(TTFT_P50);
    assert!(
        message.starts_with("real/r0 and sim/r0 are of another engine configuration"),
        "{message}"
    );
}

#[test]
fn a_side_of_several_devices_is_refused() {
    let project = project();
    project.change_side("real", |run| {
        let mut meta = RunMeta::new("test", Boundary::Engine);
        let name =
            if run.requests[1].first_token_ns > Some(1_010_120_000) { "H100" } else { "A100" };
        meta.device = Some(Device { name: name.to_owned(), uuid: None, driver: None, cuda: None });
        run.meta = Some(meta);
    });
    let message = project.error(TTFT_P50);
    assert!(message.contains("is of device H100, its sibling runs of A100"), "{message}");
}

#[test]
fn runs_of_one_process_are_one_process() {
    let project = project();
    for last in [Some(0), None] {
        for k in 0..5 {
            let mut run = run_of(&project.workload, 1.0 + 0.001 * f64::from(k));
            let mut meta = RunMeta::new("test", Boundary::Engine);
            meta.process = if k == 4 { last } else { Some(0) };
            run.meta = Some(meta);
            project.write_run(&format!("real/r{k}"), &run);
        }
        project.case("c", TTFT_P50);
        let judged = project.check("c").judged.unwrap();
        assert_eq!(
            judged.comparison.verdict(),
            CaseVerdict::Judged(Verdict::Undecided),
            "{last:?}"
        );
    }
}

#[test]
fn tokens_short_of_what_was_asked_are_seen_even_when_every_run_agrees() {
    let project = project();
    for side in ["real", "sim"] {
        project.change_side(side, |run| {
            let all = run.tokens.take().unwrap();
            let times: Vec<Vec<u64>> =
                (0..run.requests.len()).map(|i| all.of(i)[..2].to_vec()).collect();
            for (request, times) in run.requests.iter_mut().zip(&times) {
                request.decode_tokens_actual = 2;
                request.completion_ns = times.last().copied();
            }
            run.tokens = Some(TokenTimes::from_requests(times));
        });
    }
    let engine = "engine: { policy: sarathi, chunk_tokens: 8, max_sequences: 8, kv_block_tokens: 16, kv_blocks: 9, ignore_eos: true }\n";
    project.case("c", &format!("{TTFT_P50}{engine}"));
    let judged = project.check("c").judged.unwrap();
    assert_eq!(judged.comparison.structure.tokens.len(), 40);
}

#[test]
fn a_real_request_without_tokens_leaves_the_sims_out() {
    let project = project();
    project.change_side("real", |run| {
        let all = run.tokens.take().unwrap();
        let times: Vec<Vec<u64>> = (0..run.requests.len())
            .map(|i| if i == 4 { Vec::new() } else { all.of(i).into_owned() })
            .collect();
        run.requests[4].decode_tokens_actual = 0;
        run.requests[4].first_token_ns = None;
        run.tokens = Some(TokenTimes::from_requests(&times));
    });
    project.case("c", TTFT_P50);
    let judged = project.check("c").judged.unwrap();
    assert_eq!(judged.comparison.figure("ttft.p50".parse().unwrap()).unwrap().n, 39);
}

type Fault = fn(&mut Run);

/// A backend that contradicts itself in one way or another.
struct Faulty(Fault, Kind);

impl Backend for Faulty {
    fn kind(&self) -> Kind {
        self.1
    }

    fn run(&mut self, workload: &Workload, repeat: u32) -> Result<Run, BackendError> {
        let mut run = run_of(workload, 1.0005 + 0.001 * f64::from(repeat));
        run.meta = Some(RunMeta::new("faulty", Boundary::Engine));
        (self.0)(&mut run);
        Ok(run)
    }
}

fn registered(fault: Fault, kind: Kind, more: &str) -> simgate::gate::Outcome {
    let project = project();
    let sides = "workload: { dir: w }\nreal: { recorded: { runs: [real], boundary: engine } }\nsim: { registered: { name: sim } }\n";
    project.write("cases/c.yaml", format!("{sides}{more}"));
    let gate = project.gate().register("sim", move || Faulty(fault, kind));
    gate.check(&gate.case_files().unwrap()[0])
}

#[test]
fn a_registered_backend_that_contradicts_itself_is_named_not_believed() {
    let faults: [(Fault, &str); 5] = [
        (
            |run| run.requests[3].first_token_ns = None,
            "sim #0: request 3 is `ok` and has tokens, but no first token time",
        ),
        (
            |run| run.requests[3].first_token_ns = Some(0),
            "the first token of request 3 lies before its arrival",
        ),
        (|run| run.requests[3].completion_ns = None, "request 3 is `ok` but was never complete"),
        (
            |run| run.tokens = Some(TokenTimes::from_requests([[1, 2, 3]])),
            "it has 40 requests but token times of 1",
        ),
        (|run| run.requests.reverse(), "its requests do not ascend by id"),
    ];
    for (fault, expected) in faults {
        let message =
            registered(fault, Kind::Deterministic, TTFT_P50).judged.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert!(registered(|_| {}, Kind::Deterministic, TTFT_P50).judged.unwrap().verdict_passes());
}

#[test]
fn a_measured_backend_has_no_snapshot() {
    let message = registered(|_| {}, Kind::Measured, TTFT_P50).judged.unwrap_err().to_string();
    assert!(message.contains("backend `sim` is measured"), "{message}");
}

#[test]
fn a_measured_backend_is_made_once_and_is_one_process_however_often_it_runs() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    let project = project();
    let sides = "workload: { dir: w }\nreal: { registered: { name: real } }\n\
        sim: { recorded: { runs: [sim], boundary: engine } }\nbaseline: none\n";
    project.write("cases/c.yaml", format!("{sides}{TTFT_P50}"));
    let made = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&made);
    let gate = project.gate().register("real", move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Faulty(|_| {}, Kind::Measured)
    });
    let judged = gate.check(&gate.case_files().unwrap()[0]).judged.unwrap();
    assert_eq!((judged.comparison.real.repeats, judged.comparison.real.processes), (5, 1));
    assert_eq!(judged.comparison.verdict(), CaseVerdict::Judged(Verdict::Undecided));
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[test]
fn copies_of_real_runs_are_no_prediction() {
    let project = project();
    for k in 0..5 {
        let run = simgate::run::read(&project.path(&format!("real/r{k}"))).unwrap();
        project.write_run(&format!("sim/r{k}"), &run);
    }
    assert!(project.error(TTFT_P50).contains("real/r0 and sim/r0 have the same times"));
}

#[test]
fn two_seeds_have_no_spread_that_could_be_told() {
    let project = project();
    for k in 2..5 {
        std::fs::remove_dir_all(project.path(&format!("sim/r{k}"))).unwrap();
    }
    let message = project.error(TTFT_P50);
    assert!(message.contains("is one of 2 seeds of a seeded simulator"), "{message}");
}

#[test]
fn repeats_that_are_numbered_but_name_no_process_are_of_one() {
    let project = project();
    for k in 0..5 {
        let mut run = run_of(&project.workload, 1.0 + 0.001 * f64::from(k));
        let mut meta = RunMeta::new("test", Boundary::Engine);
        meta.repeat = Some(k);
        run.meta = Some(meta);
        project.write_run(&format!("real/r{k}"), &run);
    }
    project.case("c", TTFT_P50);
    let judged = project.check("c").judged.unwrap();
    assert_eq!(judged.verdict(), CaseVerdict::Judged(Verdict::Undecided));
    assert_eq!(judged.comparison.real.processes, 1);
}

#[test]
fn that_each_run_was_taken_for_a_process_is_said() {
    let project = project();
    project.case("c", TTFT_P50);
    let judged = project.check("c").judged.unwrap();
    let remarks = judged.report("").remarks().join("\n");
    assert!(remarks.contains("no real run names its process: each is taken for one"), "{remarks}");
}

#[test]
fn percentiles_do_not_stand_in_for_tokens_that_are_there() {
    let project = project();
    let gaps = "percentile,gap_ps,independent\np50,1000,3\np90,1000,3\np99,1000,3\n";
    project.write("sim/r0/gap_percentiles.csv", gaps);
    assert!(project.error(TTFT_P50).contains("percentiles of gaps stand beside tokens"));
    std::fs::remove_file(project.path("sim/r0/token_metrics.csv")).unwrap();
    for (gaps, expected) in [
        (gaps.replace(",3", ",800"), "800 of 80 gaps"),
        (gaps.replace("p99,1000", "p99,999"), "it lies below the percentile before it"),
        (gaps.replace("p99", "p98"), "expected p99"),
    ] {
        project.write("sim/r0/gap_percentiles.csv", gaps);
        let message = project.error(TTFT_P50);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn requests_that_fail_on_one_side_are_outside_also_where_too_few_are_left() {
    let project = Project::new(300, 3);
    project.change_side("sim", |run| run.requests[7].status = simgate::run::Status::Failed);
    project.case("c", "tolerance: { ttft: { p99: 5% } }\n");
    let judged = project.check("c").judged.unwrap();
    assert_eq!(judged.verdict(), CaseVerdict::Judged(Verdict::Outside));
    assert_eq!(judged.comparison.structure.status, [7]);
}
