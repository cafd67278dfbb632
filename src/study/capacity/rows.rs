//! What is found of one candidate, and which candidates are on a front.

use super::grid::Candidate;
use super::pareto::on_front;
use super::search::Outcome;
use super::slo::Slos;

/// One candidate's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The candidate's place in the grid, from 0.
    pub index: usize,
    /// What it is called.
    pub label: String,
    /// Its values of the keys that the grid varies, in their order.
    pub values: Vec<String>,
    /// GPUs that it uses.
    pub gpus: u64,
    /// What the search came to; absent for a candidate that cannot be simulated.
    pub found: Option<Found>,
    /// Why it cannot be simulated, or what else is to be known of its result; mostly empty.
    pub error: String,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// How it ended.
    pub outcome: Outcome,
    /// The highest rate that meets the targets; of [`Outcome::Never`] the lowest tried, which does not.
    pub rate_per_s: f64,
    /// Output tokens per second at that rate.
    pub output_tokens_per_s: f64,
    /// Each target's figure at that rate, ms.
    pub figures_ms: Vec<f64>,
    /// Rates that were tried.
    pub simulations: u32,
}

impl Row {
    /// A candidate's row.
    pub(super) fn new(candidate: &Candidate, result: Result<(Found, String), String>) -> Self {
        let (found, error) = match result {
            Ok((found, remark)) => (Some(found), remark),
            Err(error) => (None, error),
        };
        Self {
            index: candidate.index,
            label: candidate.label(),
            values: candidate.settings.iter().map(|(_, value)| value.to_string()).collect(),
            gpus: candidate.gpus,
            found,
            // One line, so that tables keep their shape.
            error: error.lines().collect::<Vec<_>>().join(" "),
        }
    }

    /// What was found, where there is a highest rate.
    pub fn capacity(&self) -> Option<&Found> {
        self.found.as_ref().filter(|found| found.outcome == Outcome::Found)
    }

    /// `rate` for each GPU.
    pub fn per_gpu(&self, rate: f64) -> f64 {
        rate / self.gpus.max(1) as f64
    }
}

impl Found {
    /// The largest share of a target's limit that its figure takes.
    pub fn tightest(&self, slos: &Slos) -> f64 {
        let shares = self.figures_ms.iter().zip(slos.iter()).map(|(ms, slo)| ms / slo.limit_ms());
        shares.fold(0.0, f64::max)
    }
}

/// The fronts that a row is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Front {
    /// No other serves as high a rate on as few GPUs.
    pub gpus: bool,
    /// No other serves as high a rate per GPU with its tightest figure as far below its limit.
    pub headroom: bool,
}

impl Front {
    /// For people: `gpus, headroom`.
    pub fn names(self) -> String {
        let names = [(self.gpus, "gpus"), (self.headroom, "headroom")];
        let names: Vec<&str> = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        names.join(", ")
    }
}

/// The fronts that each row is on. A candidate without a highest rate is on none.
pub fn fronts(rows: &[Row], slos: &Slos) -> Vec<Front> {
    let points = |point: &dyn Fn(&Row, &Found) -> (f64, f64)| -> Vec<(f64, f64)> {
        let of = |row: &Row| row.capacity().map_or((f64::NAN, f64::NAN), |found| point(row, found));
        rows.iter().map(of).collect()
    };
    let gpus = on_front(&points(&|row, found| (row.gpus as f64, found.rate_per_s)));
    let headroom = points(&|row, found| (found.tightest(slos), row.per_gpu(found.rate_per_s)));
    let both = gpus.into_iter().zip(on_front(&headroom));
    both.map(|(gpus, headroom)| Front { gpus, headroom }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(gpus: u64, rate_per_s: f64, ms: f64, outcome: Outcome) -> Row {
        let found = Found {
            outcome,
            rate_per_s,
            output_tokens_per_s: 0.0,
            figures_ms: vec![ms],
            simulations: 1,
        };
        let (label, values, error) = Default::default();
        Row { index: 0, label, values, gpus, found: Some(found), error }
    }

    #[test]
    fn a_row_is_on_the_front_of_gpus_or_of_headroom_or_of_both() {
        let slos = Slos::new(vec!["ttft.p99=100ms".parse().unwrap()]).unwrap();
        let rows = [
            row(1, 10.0, 90.0, Outcome::Found),
            row(2, 18.0, 80.0, Outcome::Found),
            row(2, 16.0, 95.0, Outcome::Found),
            row(1, 1e-6, 1.0, Outcome::Never),
            row(4, 19.0, 99.0, Outcome::Found),
            row(4, 99.0, 9.0, Outcome::Unbounded),
        ];
        let names: Vec<String> = fronts(&rows, &slos).into_iter().map(Front::names).collect();
        assert_eq!(names, ["gpus, headroom", "gpus, headroom", "", "", "gpus", ""]);
    }
}
