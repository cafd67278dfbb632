//! Routers, replicas and pipelines.

use super::*;
use crate::run::Run;

fn cluster(replicas: u32, router: Router) -> Cluster {
    Cluster { replicas, router, ..Cluster::default() }
}

fn fleet(workload: &Workload, config: &EngineConfig, cluster: Cluster, seed: u64) -> Run {
    let served = serve_cluster(workload, config, cluster, LIMITS, Detail::Steps, seed, |_| Fixed);
    served.unwrap().run
}

/// The replica of each request.
fn places(run: &Run) -> Vec<&str> {
    run.requests.iter().map(|r| r.backend.as_deref().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn one_replica_is_one_engine(workload in any_workload(), config in any_config(), router in 0_usize..3) {
        let of_fleet = fleet(&workload, &config, cluster(1, Router::ALL[router]), 3);
        prop_assert_eq!(of_fleet, run(&workload, &config).run);
    }

    #[test]
    fn each_replica_serves_its_requests_as_an_engine_of_its_own(
        workload in any_workload(), config in any_config(), router in 0_usize..3, replicas in 2_u32..5
    ) {
        let of_fleet = fleet(&workload, &config, cluster(replicas, Router::ALL[router]), 3);
        let tokens = of_fleet.tokens.as_ref().unwrap();
        for replica in 0..replicas as usize {
            let name = replica_name(replica);
            let mine = |&i: &usize| of_fleet.requests[i].backend.as_deref() == Some(&name);
            let indices: Vec<usize> = (0..of_fleet.requests.len()).filter(mine).collect();
            let requests = indices.iter().map(|&i| workload.requests[i].clone()).collect();
            let alone = run(&Workload { requests, ..Workload::default() }, &config).run;
            let times = alone.tokens.unwrap();
            for (k, &i) in indices.iter().enumerate() {
                prop_assert_eq!(tokens.of(i), times.of(k));
                prop_assert_eq!(of_fleet.requests[i].status, alone.requests[k].status);
            }
        }
    }

    #[test]
    fn a_pipeline_of_one_stage_at_a_time_is_no_faster_and_loses_nothing(workload in any_workload(), config in any_config(), stages in 2_u32..4) {
        let piped = Cluster { pipeline_parallel: stages, ..Cluster::default() };
        let run = fleet(&workload, &config, piped, 0);
        for (record, request) in run.requests.iter().zip(&workload.requests) {
            let expected = if servable(&config, request) { request.decode_tokens } else { 0 };
            prop_assert_eq!(record.decode_tokens_actual, expected);
        }
        for pair in run.steps.windows(2) {
            prop_assert!(pair[0].start_ns <= pair[1].start_ns);
        }
        // As many steps are under way at once as there are stages.
        for (i, step) in run.steps.iter().enumerate().skip(stages as usize) {
            prop_assert!(run.steps[i - stages as usize].end_ns <= step.start_ns);
        }
    }
}

#[test]
fn round_robin_goes_from_one_replica_to_the_next() {
    let run = fleet(
        &requests(&[(4, 2); 5]),
        &config(Policy::Sarathi, 16, 50),
        cluster(3, Router::RoundRobin),
        0,
    );
    assert_eq!(places(&run), ["replica-0", "replica-1", "replica-2", "replica-0", "replica-1"]);
}

#[test]
fn random_routing_follows_from_its_seed_and_reaches_every_replica() {
    let (workload, config) = (requests(&[(4, 2); 60]), config(Policy::Sarathi, 16, 50));
    let at = |seed| {
        let run = fleet(&workload, &config, cluster(3, Router::Random), seed);
        places(&run).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(at(1), at(1));
    assert_ne!(at(1), at(2));
    assert!((0..3).all(|replica| at(1).contains(&replica_name(replica))));
}

#[test]
fn least_outstanding_avoids_the_replica_that_is_still_at_work() {
    let mut workload = requests(&[(4, 60), (4, 1), (4, 1), (4, 1)]);
    for (request, at) in workload.requests.iter_mut().zip([0, 1, 10_000_000, 20_000_000]) {
        request.arrival_ns = at;
    }
    let config = config(Policy::Sarathi, 16, 50);
    let run = fleet(&workload, &config, cluster(2, Router::LeastOutstanding), 0);
    assert_eq!(places(&run), ["replica-0", "replica-1", "replica-1", "replica-1"]);
}
