//! What the gate says about runs, workloads and baselines that do not fit together.

mod support;

use simgate::compare::{CaseVerdict, Mark, Verdict};
use simgate::run::{Boundary, RunMeta, Status};
use support::{Project, TTFT_P50, run_of};

fn project() -> Project {
    Project::new(40, 3)
}

#[test]
fn a_recording_of_another_workload_is_refused_by_hash_and_by_rows() {
    let project = project();
    project.change_side("real", |run| {
        let mut meta = RunMeta::new("test", Boundary::Engine);
        meta.hashes.workload = Some("0".repeat(64));
        run.meta = Some(meta);
    });
    let message = project.error(TTFT_P50);
    assert!(
        message.contains("real/r0 is stale: it was recorded with another workload (hash 0000"),
        "{message}"
    );
    project.change_side("real", |run| {
        run.meta = None;
        run.requests[3].prefill_tokens = 9;
    });
    let message = project.error(TTFT_P50);
    assert_eq!(
        message,
        "real/r0 did not serve the case's workload: request 3 has num_prefill_tokens 9, the workload 8"
    );
}

#[test]
fn a_request_that_one_side_lacks_is_named() {
    let project = project();
    let mut run = run_of(&project.workload, 1.2);
    run.requests.remove(7);
    run.tokens = None;
    project.write_run("short", &run);
    let side = |dir: &str| {
        simgate::gate::load_recorded(&project.path(dir), Some(Boundary::Engine)).unwrap().side
    };
    let compare = |a: &str, b: &str| {
        simgate::compare::compare(&side(a), &side(b), &simgate::compare::Rules::default())
            .unwrap_err()
            .to_string()
    };
    let message = compare("real/r0", "short");
    assert!(message.starts_with("request 7 in ") && message.ends_with("short"), "{message}");
    assert!(compare("short", "real/r0").starts_with("request 7 in "));
}

#[test]
fn unlike_boundaries_are_refused_unless_a_reason_is_given() {
    let project = project();
    let client = |reason: &str| {
        let case = "workload: { dir: w }\nreal: { recorded: { runs: [real], boundary: engine } }\n\
             sim: { recorded: { runs: [sim], boundary: client } }\n";
        project.write("cases/c.yaml", format!("{case}{TTFT_P50}{reason}"));
        project.check("c")
    };
    let message = client("").judged.unwrap_err().to_string();
    assert!(message.contains("timed at the engine, the sim side at the client"), "{message}");
    let judged = client("allow_boundary_mismatch: \"loopback\"\n").judged.unwrap();
    let remarks = judged.report("c").remarks();
    assert!(remarks.iter().any(|r| r.contains("(engine against client): loopback")), "{remarks:?}");
}

#[test]
fn a_run_that_does_not_say_where_it_was_timed_is_refused() {
    let project = project();
    project.write("cases/c.yaml", "workload: { dir: w }\nreal: { recorded: { runs: [real] } }\nsim: { recorded: { runs: [sim] } }\n");
    let message = project.check("c").judged.unwrap_err().to_string();
    assert!(message.contains("real/r0 has no run_meta.json: say where it was timed"), "{message}");
}

#[test]
fn copies_among_the_real_repeats_are_refused() {
    let project = project();
    project.write_run("real/r4", &run_of(&project.workload, 1.0));
    let message = project.error(TTFT_P50);
    assert!(
        message.contains("real/r0 and real/r4 have the same times to the nanosecond"),
        "{message}"
    );
}

#[test]
fn a_tolerance_on_tbt_needs_complete_token_times() {
    let project = project();
    project.change_side("sim", |run| run.tokens = None);
    let message = project.error("tolerance: { tbt: { p50: 5% } }\n");
    assert_eq!(message, "the case has a tolerance on tbt, but sim/r0 has no token_metrics.csv");
    let text = project.read("real/r2/token_metrics.csv");
    let cut = text.trim_end().rsplit_once('\n').unwrap().0;
    project.write("real/r2/token_metrics.csv", cut);
    project.change_side("sim", |run| *run = run_of(&project.workload, 1.01));
    let message = project.error("tolerance: { tbt: { p50: 5% } }\n");
    assert!(message.contains("incomplete: request 39 has 2 of its 3 token times"), "{message}");
}

#[test]
fn percentiles_that_the_samples_cannot_carry_are_refused_with_what_they_need() {
    let message = project().error("tolerance: { ttft: { p99: 5% } }\n");
    assert!(
        message
            .contains("tolerance on ttft.p99, which needs 300 requests in each repeat; it has 40"),
        "{message}"
    );
    let few = Project::new(5, 3).error(TTFT_P50);
    assert!(
        few.contains("tolerance on ttft.p50, which needs 6 requests in each repeat; it has 5"),
        "{few}"
    );
}

#[test]
fn a_single_run_can_be_red_but_never_green() {
    let project = project();
    let case = |sim: &str| {
        let text = format!(
            "workload: {{ dir: w }}\nreal: {{ recorded: {{ runs: [real/r0], boundary: engine }} }}\n\
             sim: {{ recorded: {{ runs: [{sim}], boundary: engine }} }}\n{TTFT_P50}"
        );
        project.write("cases/c.yaml", text);
        project.check("c")
    };
    let near = case("sim/r0");
    let judged = near.judged.as_ref().unwrap();
    assert_eq!(judged.comparison.verdict(), CaseVerdict::Judged(Verdict::Undecided));
    assert!(judged.comparison.figures[0].marks.contains(&Mark::SingleRun));
    assert!(!judged.verdict_passes());
    project.write_run("far", &run_of(&project.workload, 1.2));
    let far = case("far").judged.unwrap();
    assert_eq!(far.comparison.verdict(), CaseVerdict::Judged(Verdict::Outside));
}

#[test]
fn requests_of_one_or_no_token_are_left_out_of_tpot_and_counted() {
    let project = project();
    for side in ["real", "sim"] {
        project.change_side(side, |run| {
            let all = run.tokens.take().unwrap();
            let mut times: Vec<Vec<u64>> =
                (0..run.requests.len()).map(|i| all.of(i).to_vec()).collect();
            for (i, keep) in [(0, 1), (1, 0)] {
                times[i].truncate(keep);
                run.requests[i].decode_tokens_actual = keep as u32;
                run.requests[i].first_token_ns = times[i].first().copied();
            }
            run.tokens = Some(simgate::run::TokenTimes::from_requests(&times));
        });
    }
    project.case("c", "tolerance: { tpot: { p50: 5% } }\n");
    let judged = project.check("c").judged.unwrap();
    let remarks = judged.report("c").remarks();
    assert!(remarks.contains(&"1 request of one token: no TPOT".to_owned()), "{remarks:?}");
    assert!(remarks.contains(&"1 request without a token: no TTFT".to_owned()), "{remarks:?}");
    assert_eq!(judged.comparison.figure("tpot.p50".parse().unwrap()).unwrap().n, 38);
    assert_eq!(judged.comparison.figure("ttft.p50".parse().unwrap()).unwrap().n, 39);
}

#[test]
fn a_status_or_token_count_that_differs_makes_the_case_outside_with_the_ids() {
    let project = project();
    project.change_side("sim", |run| {
        run.requests[5].status = Status::Failed;
        run.requests[9].decode_tokens_actual = 2;
        run.tokens = None;
    });
    for more in ["", TTFT_P50] {
        project.case("c", more);
        let outcome = project.check("c");
        let judged = outcome.judged.as_ref().unwrap();
        assert_eq!(judged.comparison.verdict(), CaseVerdict::Judged(Verdict::Outside));
        let reasons = outcome.reasons().join("\n");
        assert!(reasons.contains("status differs: requests 5"), "{reasons}");
        assert!(reasons.contains("token count differs: requests 9"), "{reasons}");
    }
}

#[test]
fn tokens_are_cut_to_a_real_side_that_stopped_early_but_never_under_ignore_eos() {
    let project = project();
    project.change_side("real", |run| {
        let all = run.tokens.take().unwrap();
        let times =
            (0..run.requests.len()).map(|i| all.of(i)[..if i == 4 { 2 } else { 3 }].to_vec());
        let times: Vec<Vec<u64>> = times.collect();
        run.requests[4].decode_tokens_actual = 2;
        run.requests[4].completion_ns = times[4].last().copied();
        run.tokens = Some(simgate::run::TokenTimes::from_requests(&times));
    });
    project.case("c", TTFT_P50);
    let judged = project.check("c").judged.unwrap();
    assert_eq!((judged.comparison.cut, judged.verdict_passes()), (1, true));
    let engine = "engine: { policy: sarathi, chunk_tokens: 8, max_sequences: 8, kv_block_tokens: 16, kv_blocks: 9, ignore_eos: true }\n";
    project.case("c", &format!("{TTFT_P50}{engine}"));
    let judged = project.check("c").judged.unwrap();
    assert_eq!(judged.comparison.structure.tokens, [4]);
    assert!(!judged.verdict_passes());
}

#[test]
fn columns_in_another_order_are_accepted() {
    let project = project();
    let text = project.read("real/r0/token_metrics.csv");
    let reordered: Vec<String> =
        text.lines().map(|line| line.split(',').rev().collect::<Vec<_>>().join(",")).collect();
    project.write("real/r0/token_metrics.csv", reordered.join("\n"));
    project.case("c", TTFT_P50);
    assert!(project.check("c").judged.unwrap().verdict_passes());
}

#[test]
fn snapshots_and_cases_belong_together_one_to_one() {
    let project = project();
    project.case("a/b", TTFT_P50);
    project.write("baselines/old.snap", "");
    project.write("baselines/h100/profiles/p.snap", "");
    let message = project.gate().check_pairing().unwrap_err().to_string();
    assert_eq!(
        message,
        "case a::b has no snapshot baselines/a/b.snap: run it, then `cargo insta review`\n\
         snapshot baselines/old.snap has no case cases/old.yaml: remove it, or restore the case"
    );
}

#[test]
fn a_case_without_its_baseline_says_where_it_should_be() {
    let project = project();
    let case = "model: m\nhardware: cpu\nworkload: { dir: w }\nreal: candle\nsim: { recorded: { runs: [sim], boundary: engine } }\n\
        engine: { policy: sarathi, chunk_tokens: 8, max_sequences: 8, kv_block_tokens: 16, kv_blocks: 9 }\n";
    project.write("cases/c.yaml", case);
    let message = project.check("c").judged.unwrap_err().to_string();
    assert!(
        message.starts_with("no baseline: ")
            && message.contains("baselines/c holds no recorded run"),
        "{message}"
    );
}

#[test]
fn paths_and_names_that_lead_nowhere_are_named() {
    let project = project();
    project.write("cases/c.yaml", "workload: { dir: nowhere }\nreal: { recorded: { runs: [real] } }\nsim: { recorded: { runs: [sim] } }\n");
    let message = project.check("c").judged.unwrap_err().to_string();
    assert!(message.contains("`nowhere` is neither beside the case file, nor in"), "{message}");
    project.write("cases/c.yaml", "workload: { dir: w }\nreal: { recorded: { runs: [real], boundary: engine } }\nsim: { registered: { name: mine } }\n");
    let message = project.check("c").judged.unwrap_err().to_string();
    assert!(
        message.starts_with("backend `mine` is not registered in this program (it registers none)"),
        "{message}"
    );
}

#[test]
fn a_negative_control_passes_only_when_all_it_names_is_outside() {
    let project = project();
    project.case(
        "c",
        "tolerance: { ttft: { p50: 0.5%, p90: 5% } }\nexpect: { outside: [ttft.p50] }\n",
    );
    assert!(project.check("c").judged.unwrap().verdict_passes());
    project.case(
        "c",
        "tolerance: { ttft: { p50: 0.5%, p90: 5% } }\nexpect: { outside: [ttft.p50, ttft.p90] }\n",
    );
    let outcome = project.check("c");
    assert_eq!(outcome.exit_code(), 1);
    assert!(
        outcome.reasons()[0].starts_with("expected ttft.p90 outside, but ttft.p90 +1.00 %"),
        "{:?}",
        outcome.reasons()
    );
}
