//! One test for each case under `cases/`.

use std::process::ExitCode;

fn main() -> ExitCode {
    simgate::Gate::new("cases")
        .baselines("baselines")
        // Cases name your simulator as `{ registered: { name: my-simulator } }`:
        // .register("my-simulator", || MySimulator::default())
        .main()
}
