//! A case of every kind of verdict: within, outside, undecided and decided by what it asked for, few, not
//! gated, single run, one prediction, structure only, status mismatch, and amplified ones.

mod support;

use simgate::compare::{
    Advice, CaseVerdict, CompareError, Figure, FigureResult, Mark, Origin, Rules, Side, Verdict,
    compare,
};
use simgate::gate::{GateError, Judged, Outcome};
use simgate::run::{Boundary, RunMeta, Status, TokenTimes};
use support::{Project, TTFT_P50, run, run_of, text};

/// Scales whose logarithms have mean 0 and standard deviation `sd`, to the last digit.
fn scales(count: usize, sd: f64) -> Vec<f64> {
    let raw: Vec<f64> = (0..count).map(|k| k as f64 - (count - 1) as f64 / 2.0).collect();
    let spread = (raw.iter().map(|x| x * x).sum::<f64>() / (count - 1) as f64).sqrt();
    raw.iter().map(|x| (x / spread * sd).exp()).collect()
}

/// Replaces a side by `count` processes of such scales around `centre`.
fn write_side(project: &Project, side: &str, count: usize, sd: f64, centre: f64) {
    let _ = std::fs::remove_dir_all(project.path(side));
    for (k, scale) in scales(count, sd).into_iter().enumerate() {
        let mut run = run_of(&project.workload, scale * centre);
        let mut meta = RunMeta::new("test", Boundary::Engine);
        meta.process = (side == "real").then_some(k as u32);
        run.meta = Some(meta);
        project.write_run(&format!("{side}/r{k}"), &run);
    }
}

/// Real processes of spread `sd`, and a sim of 16 quiet seeds that is `error` off.
fn project(processes: usize, sd: f64, error: f64) -> Project {
    let project = Project::new(300, 3);
    write_side(&project, "real", processes, sd, 1.0);
    write_side(&project, "sim", 16, 0.0005, 1.0 + error);
    project
}

fn outcome(project: &Project, more: &str) -> Outcome {
    project.case("c", more);
    project.check("c")
}

fn judged(project: &Project, more: &str) -> Box<Judged> {
    outcome(project, more).judged.unwrap()
}

fn figure<'a>(judged: &'a Judged, name: &str) -> &'a FigureResult {
    judged.comparison.figure(name.parse().unwrap()).unwrap()
}

const TWO: &str = "tolerance: { ttft: { p50: 2% } }\n";

#[test]
fn within_and_outside() {
    let project = project(5, 0.002, 0.01);
    let judged_two = judged(&project, TWO);
    let found = figure(&judged_two, "ttft.p50");
    assert_eq!(found.verdict, Some(Verdict::Within));
    let (low, high) = found.interval().unwrap();
    // t(.975, 4.3) is about 2.70, sqrt v = .002 / sqrt 5: +- .24 %.
    assert!((low - 0.0076).abs() < 2e-4 && (high - 0.0124).abs() < 2e-4, "{low} {high}");
    // h0 = t(.975, 4) .002 / sqrt 5.
    assert!((found.noise.unwrap() - 0.002_483).abs() < 1e-5, "{found:?}");
    let judged_near = judged(&project, "tolerance: { ttft: { p50: 0.8% } }\n");
    assert_eq!(judged_near.verdict(), CaseVerdict::Judged(Verdict::Undecided));
    write_side(&project, "sim", 16, 0.0005, 1.03);
    assert_eq!(judged(&project, TWO).verdict(), CaseVerdict::Judged(Verdict::Outside));
}

#[test]
fn an_undecided_case_is_decided_by_the_processes_that_it_asks_for() {
    // Once within, once beyond the tolerance.
    for (error, expected) in [(0.014, Verdict::Within), (0.028, Verdict::Outside)] {
        let project = project(5, 0.01, error);
        let judged_five = judged(&project, TWO);
        let Some(Advice::Processes(asked)) = figure(&judged_five, "ttft.p50").advice else {
            panic!("{:?}", figure(&judged_five, "ttft.p50"));
        };
        let remark = judged_five.report("").remarks().join("\n");
        let words = format!("ttft.p50 is undecided: record it anew with {asked} processes");
        assert!(remark.contains(&words), "{remark}");
        for (processes, verdict) in [(asked - 1, Verdict::Undecided), (asked, expected)] {
            write_side(&project, "real", processes, 0.01, 1.0);
            let judged_anew = judged(&project, TWO);
            assert_eq!(figure(&judged_anew, "ttft.p50").verdict, Some(verdict), "{processes}");
        }
    }
}

#[test]
fn an_error_at_the_tolerance_is_not_a_matter_of_processes() {
    let project = project(5, 0.004, 0.02);
    let judged = judged(&project, TWO);
    assert_eq!(figure(&judged, "ttft.p50").advice, Some(Advice::AtTolerance));
    let remarks = judged.report("").remarks().join("\n");
    assert!(remarks.contains("the error sits at the tolerance"), "{remarks}");
}

#[test]
fn seeds_are_asked_for_where_they_are_what_is_missing() {
    let project = project(5, 0.0005, 0.0);
    write_side(&project, "sim", 3, 0.02, 1.0001);
    let judged = judged(&project, TWO);
    assert!(matches!(figure(&judged, "ttft.p50").advice, Some(Advice::Seeds(_))));
}

#[test]
fn outside_leaves_one_percent_over_all_gated_figures() {
    // At four degrees of freedom t(.99) is 3.75 and t(1 - .01/12) is 7.53: this error lies between.
    let project = project(5, 0.002, 0.026);
    assert_eq!(judged(&project, TWO).verdict(), CaseVerdict::Judged(Verdict::Outside));
    let all = "tolerance: { ttft: { p50: 2%, p90: 50%, p99: 50% }, tbt: { p50: 50%, p90: 50%, p99: 50% }, tpot: { p50: 50%, p90: 50%, p99: 50% }, e2e: { p50: 50%, p90: 50%, p99: 50% } }\n";
    assert_eq!(judged(&project, all).verdict(), CaseVerdict::Judged(Verdict::Undecided));
}

#[test]
fn few_samples_are_shown_and_not_judged() {
    let project = Project::new(40, 3);
    let side = |name: &str| {
        let path = project.path(name);
        simgate::gate::load_recorded(&path, Some(Boundary::Engine)).unwrap().side
    };
    let tolerance = simgate::case::parse_tolerance("5%").unwrap();
    let tolerances = simgate::compare::Tolerances::Blanket(tolerance);
    let rules = Rules { tolerances, ..Rules::default() };
    let comparison = compare(&side("real"), &side("sim"), &rules).unwrap();
    let of = |name: &str| comparison.figure(name.parse().unwrap()).unwrap();
    assert_eq!(of("ttft.p50").verdict, Some(Verdict::Within));
    assert_eq!((of("ttft.p99").verdict, &of("ttft.p99").marks[..]), (None, &[Mark::Few][..]));
}

#[test]
fn zeros_on_both_sides_are_not_gated_and_on_one_side_outside() {
    let project = Project::new(300, 3);
    let zero_gaps = |side: &str| {
        project.change_side(side, |run| {
            let tokens = run.tokens.take().unwrap();
            let first = |i| vec![tokens.of(i)[0]; 3];
            for (i, request) in run.requests.iter_mut().enumerate() {
                request.completion_ns = Some(tokens.of(i)[0]);
            }
            let all = (0..run.requests.len()).map(first);
            run.tokens = Some(TokenTimes::from_requests(all));
        });
    };
    let both = "tolerance: { ttft: { p50: 5% }, tbt: { p50: 5% } }\n";
    zero_gaps("real");
    let judged_one = judged(&project, both);
    assert_eq!(figure(&judged_one, "tbt.p50").verdict, Some(Verdict::Outside));
    zero_gaps("sim");
    let judged_both = judged(&project, both);
    assert_eq!(figure(&judged_both, "tbt.p50").verdict, None);
    assert_eq!(figure(&judged_both, "tbt.p50").marks, [Mark::NotGated]);
    assert_eq!(judged_both.verdict(), CaseVerdict::Judged(Verdict::Within));
    let error = outcome(&project, "tolerance: { tbt: { p50: 5% } }\n").judged.unwrap_err();
    assert!(matches!(error, GateError::Compare(CompareError::AllZero)), "{error}");
}

#[test]
fn a_single_run_can_be_red_but_never_green() {
    for (error, expected) in [(0.0, Verdict::Undecided), (0.03, Verdict::Outside)] {
        let project = project(2, 0.0001, error);
        let judged = judged(&project, TWO);
        let found = figure(&judged, "ttft.p50");
        assert_eq!((found.verdict, found.advice), (Some(expected), None));
        assert!(found.marks.contains(&Mark::SingleRun));
    }
}

#[test]
fn one_prediction_is_judged_by_the_processes_alone() {
    let project = project(5, 0.002, 0.0);
    let _ = std::fs::remove_dir_all(project.path("sim"));
    project.write_run("sim", &run_of(&project.workload, 1.01));
    let judged = judged(&project, TWO);
    let found = figure(&judged, "ttft.p50");
    assert_eq!(found.verdict, Some(Verdict::Within));
    assert_eq!(found.marks, [Mark::OnePrediction]);
    assert_eq!((found.real.units, found.sim.units), (5, 1));
}

#[test]
fn one_seed_of_a_seeded_simulator_is_no_prediction() {
    let project = project(5, 0.002, 0.0);
    let _ = std::fs::remove_dir_all(project.path("sim"));
    let mut run = run_of(&project.workload, 1.01);
    run.meta = Some(RunMeta::new("native", Boundary::Engine));
    project.write_run("sim", &run);
    let error = outcome(&project, TWO).judged.unwrap_err().to_string();
    assert!(error.contains("is one of 1 seeds of a seeded simulator"), "{error}");
}

#[test]
fn without_a_tolerance_structure_decides() {
    let project = project(5, 0.002, 0.5);
    assert_eq!(judged(&project, "").verdict(), CaseVerdict::StructureOnly);
    project.change_side("real", |run| {
        run.requests[7].status = Status::Failed;
    });
    let outcome = outcome(&project, "");
    assert_eq!(outcome.exit_code(), 1);
    let judged = outcome.judged.unwrap();
    assert_eq!(judged.verdict(), CaseVerdict::Judged(Verdict::Outside));
    assert_eq!(judged.comparison.structure.status, [7]);
}

#[test]
fn repeats_of_one_process_are_one_unit() {
    let project = project(5, 0.01, 0.0);
    // Ten repeats in five processes: the mean of a process counts, not its repeats.
    for (k, scale) in scales(5, 0.01).into_iter().enumerate() {
        for (repeat, wobble) in [0.997, 1.0 / 0.997].into_iter().enumerate() {
            let mut run = run_of(&project.workload, scale * wobble);
            let mut meta = RunMeta::new("test", Boundary::Engine);
            meta.process = Some(k as u32);
            run.meta = Some(meta);
            project.write_run(&format!("real/p{k}r{repeat}"), &run);
        }
        std::fs::remove_dir_all(project.path(&format!("real/r{k}"))).unwrap();
    }
    let judged = judged(&project, "tolerance: { ttft: { p50: 5% } }\n");
    let found = figure(&judged, "ttft.p50");
    assert_eq!((found.real.units, judged.comparison.real.repeats), (5, 10));
    assert!((found.real.variance.sqrt() - 0.01).abs() < 1e-5, "{found:?}");
}

#[test]
fn a_repeat_that_stands_out_is_named_and_counts() {
    let project = project(6, 0.001, 0.0);
    let mut run = run_of(&project.workload, 1.05);
    let mut meta = RunMeta::new("test", Boundary::Engine);
    meta.process = Some(6);
    run.meta = Some(meta);
    project.write_run("real/r6", &run);
    let judged = judged(&project, TTFT_P50);
    assert_eq!(figure(&judged, "ttft.p50").real.units, 7);
    let remarks = judged.report("").remarks().join("\n");
    assert!(remarks.contains("real/r6 is an outlier in ttft.p50"), "{remarks}");
}

/// A side in memory, one process a scale.
fn side(project: &Project, name: &str, scales: &[f64], origin: Origin) -> Side {
    let labels = (0..scales.len()).map(|k| format!("{name} {k}")).collect();
    let runs = scales.iter().map(|&scale| run_of(&project.workload, scale)).collect();
    Side { labels, runs, boundary: Boundary::Engine, origin }
}

#[test]
fn a_live_process_borrows_the_spread_of_its_recording() {
    let project = Project::new(300, 3);
    let recorded = side(&project, "recorded", &scales(5, 0.004), Origin::Recorded);
    let live = side(&project, "live", &[1.004], Origin::OneProcess);
    let sim = side(&project, "sim", &scales(16, 0.0005), Origin::Recorded);
    let tolerance = simgate::case::parse_tolerance("5%").unwrap();
    let rules = Rules {
        tolerances: simgate::compare::Tolerances::Blanket(tolerance),
        judge_few: true,
        ..Rules::default()
    };
    let ttft: Figure = "ttft.p50".parse().unwrap();
    let alone = compare(&live, &sim, &rules).unwrap();
    assert_eq!(alone.figure(ttft).unwrap().verdict, Some(Verdict::Undecided));
    // Live against recorded: v = s_r^2 (1/K2 + 1/K).
    let against = Rules { lend_to_sim: true, ..rules.clone() };
    let stale = compare(&recorded, &live, &against).unwrap();
    let error = stale.figure(ttft).unwrap().estimate.unwrap().standard_error;
    assert!((error - 0.004 * (1.0_f64 + 0.2).sqrt()).abs() < 1e-5, "{error}");
    // Sim against live: v = s_r^2 / K2 + s_q^2 / M.
    let lent = Rules { lent: Some(stale.spreads()), ..rules.clone() };
    let gate = compare(&live, &sim, &lent).unwrap();
    let found = gate.figure(ttft).unwrap();
    let expected = (0.004_f64.powi(2) + 0.0005_f64.powi(2) / 16.0).sqrt();
    assert!((found.estimate.unwrap().standard_error - expected).abs() < 1e-5);
    assert_eq!(found.verdict, Some(Verdict::Within));
    // Two recorded processes have no spread to lend.
    let two = side(&project, "two", &scales(2, 0.0001), Origin::Recorded);
    let lent = Rules { lent: Some(compare(&two, &live, &rules).unwrap().spreads()), ..rules };
    let gate = compare(&live, &sim, &lent).unwrap();
    assert_eq!(gate.figure(ttft).unwrap().verdict, Some(Verdict::Undecided));
}

/// A case near saturation whose real side is the simulator itself, so that the error is zero.
fn loaded(more: &str) -> Project {
    let project = Project::new(1, 1);
    let root = support::root();
    let profile = "baselines/cpu/profiles/qwen3-tiny";
    for name in ["ops.csv", "host.csv", "residuals.csv", "profile_meta.json"] {
        project.write(
            &format!("{profile}/{name}"),
            std::fs::read(root.join(profile).join(name)).unwrap(),
        );
    }
    let config = std::fs::read(root.join("models/qwen3-tiny/config.json")).unwrap();
    project.write("models/qwen3-tiny/config.json", config);
    let case = |real: &str, more: &str| {
        format!(
            "model: qwen3-tiny\nhardware: cpu\n\
             workload: {{ prompts: {{ synthetic: {{ tokens: {{ uniform: {{ min: 100, max: 200 }} }} }} }}, output_tokens: {{ uniform: {{ min: 8, max: 24 }} }}, arrivals: {{ poisson: {{ rate: 24/s }} }}, requests: 300, seed: 4 }}\n\
             engine: {{ policy: sarathi, chunk_tokens: 128, max_sequences: 16, kv_block_tokens: 16, kv_blocks: 1000, ignore_eos: true }}\n\
             real: {real}\nsim: {{ native: {{ profile: cpu/qwen3-tiny, seeds: 16 }} }}\n{more}"
        )
    };
    project.write("cases/c.yaml", case("{ candle: {} }", ""));
    let (code, text) = run(project.root(), &["sim", "c", "--out", "real"]);
    assert_eq!(code, 0, "{text}");
    project.write("cases/c.yaml", case("{ recorded: { runs: [real] } }", more));
    project
}

#[test]
fn amplification_widens_a_tolerance_only_as_stated_and_true() {
    let project = loaded("tolerance: { ttft: { p50: 2% } }\n");
    let plain = project.check("c").judged.unwrap();
    let kappa = figure(&plain, "ttft.p50").kappa.unwrap();
    println!("kappa of ttft.p50: {kappa:.3}; {:?}", figure(&plain, "ttft.p50").interval());
    assert!((2.5..10.0).contains(&kappa), "{kappa}");
    let with = |stated: f64| {
        let text = project.read("cases/c.yaml");
        project.write("cases/c.yaml", format!("{text}kappa: {{ ttft.p50: {stated:.2} }}\n"));
        let outcome = project.check("c");
        project.write("cases/c.yaml", text);
        outcome.judged.unwrap()
    };
    let stated = with(kappa);
    let found = figure(&stated, "ttft.p50");
    assert!((found.tolerance.unwrap().fraction() - kappa / 100.0).abs() < 1e-4, "{found:?}");
    assert!(!found.marks.contains(&Mark::WrongKappa));
    for wrong in [kappa * 1.3, kappa * 0.75] {
        let judged = with(wrong);
        assert_eq!(judged.verdict(), CaseVerdict::Judged(Verdict::Outside));
        assert!(figure(&judged, "ttft.p50").marks.contains(&Mark::WrongKappa));
    }
}

#[test]
fn kappa_needs_a_sim_that_can_be_run_again_and_more_than_two() {
    let project = project(5, 0.002, 0.0);
    let error = outcome(&project, &format!("{TWO}kappa: {{ ttft.p50: 3 }}\n")).judged.unwrap_err();
    assert!(error.to_string().contains("the case states `kappa` for ttft.p50"), "{error}");
    let error = outcome(&project, &format!("{TWO}kappa: {{ ttft.p50: 2 }}\n")).judged.unwrap_err();
    assert!(error.to_string().contains("a kappa of 2 widens nothing"), "{error}");
}

#[test]
fn every_figure_of_the_report_has_its_interval_noise_and_units() {
    let project = project(5, 0.002, 0.01);
    project.case("c", TWO);
    let command = ["check", "--json", "out.json", "--out", "report"];
    let output = support::simgate(project.root(), &command).output().unwrap();
    let json: serde_json::Value = serde_json::from_str(&project.read("out.json")).unwrap();
    let metric = &json["cases"][0]["metrics"][0];
    assert_eq!((&metric["processes"], &metric["seeds"]), (&5.into(), &16.into()), "{metric}");
    for key in ["error_pct", "ci_low_pct", "ci_high_pct", "noise_pct", "tolerance_pct"] {
        assert!(metric[key].is_f64(), "{key}: {metric}");
    }
    let table = project.read("report/c/tables/ttft_percentiles.csv");
    let row = table.lines().nth(1).unwrap();
    assert!(row.ends_with(",2,300,5,16,within"), "{row}");
    assert!(row.split(',').take(7).all(|field| !field.is_empty()), "{row}");
    assert!(text(&output).contains("no accepted snapshot"), "{}", text(&output));
}
