//! Gates the simulator: one test for each case under `cases/`.

use std::process::ExitCode;

use own_simulator::Simulator;
use simgate::backend::served;
use simgate::run::{Boundary, RunMeta};
use simgate::{Backend, BackendError, Gate, Kind, Run, Workload};

/// The simulator behind simgate's seam.
struct Adapter(Simulator);

impl Backend for Adapter {
    fn kind(&self) -> Kind {
        Kind::Deterministic
    }

    fn run(&mut self, workload: &Workload, _repeat: u32) -> Result<Run, BackendError> {
        let requests = &workload.requests;
        let times = self
            .0
            .serve(requests.iter().map(|r| (r.arrival_ns, r.prefill_tokens, r.decode_tokens)));
        Ok(served(workload, &times, RunMeta::new("own-simulator", Boundary::Engine)))
    }
}

fn main() -> ExitCode {
    let simulator =
        || Adapter(Simulator { launch_ns: 2_000_000, prompt_token_ns: 50_000, step_ns: 1_500_000 });
    Gate::new("cases").baselines("baselines").register("own-simulator", simulator).main()
}
