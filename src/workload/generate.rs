//! From a recipe to a workload: everything drawn comes from the recipe's seed, each quantity from a
//! stream of its own, so that another output length leaves the arrivals as they were.

use std::path::Path;

use super::recipe::{Arrivals, Lengths, Prompts, Recipe};
use super::tokenize::Tokenize;
use super::{Prompt, Request, Workload, WorkloadError, directory};
use crate::stats::Random;

/// Streams of the recipe's seed.
mod stream {
    pub const PROMPTS: u64 = 0;
    pub const OUTPUTS: u64 = 1;
    pub const ARRIVALS: u64 = 2;
}

/// Draws a lognormal anew at most this often before giving up on its bounds.
const MAX_REDRAWS: u32 = 10_000;

/// Where a recipe's relative paths lead, and how its texts become tokens.
pub struct Sources<'a> {
    /// Finds a path of the recipe.
    pub resolve: &'a dyn Fn(&Path) -> Result<std::path::PathBuf, WorkloadError>,
    /// The model's tokenizer; needed for prompts that are text.
    pub tokenizer: Option<&'a dyn Tokenize>,
}

/// Follows a recipe.
///
/// # Errors
/// Prompts or traces that cannot be read, text without a tokenizer, or bounds that a distribution
/// never meets.
pub fn generate(recipe: &Recipe, sources: &Sources<'_>) -> Result<Workload, WorkloadError> {
    let n = recipe.requests as usize;
    let (prompts, chosen) = prompts(recipe, n, sources)?;
    let mut random = Random::new(recipe.seed, stream::OUTPUTS);
    let outputs = lengths(&recipe.output_tokens, n, &mut random, Column::Output, sources)?;
    let arrivals = arrivals(&recipe.arrivals, n, recipe.seed, sources)?;
    let requests = chosen.into_iter().zip(outputs).zip(arrivals).enumerate();
    let requests =
        requests.map(|(i, (((prompt_id, prefill_tokens), decode_tokens), arrival_ns))| Request {
            request_id: i as u64,
            prompt_id,
            prefill_tokens,
            decode_tokens,
            arrival_ns,
        });
    Ok(Workload { requests: requests.collect(), prompts, seed: recipe.seed })
}

type Chosen = Vec<(String, u32)>;

/// The prompts, and for each request the one it sends with its length.
fn prompts(
    recipe: &Recipe,
    n: usize,
    sources: &Sources<'_>,
) -> Result<(Vec<Prompt>, Chosen), WorkloadError> {
    let mut random = Random::new(recipe.seed, stream::PROMPTS);
    match &recipe.prompts {
        Prompts::Synthetic(of) => {
            let lengths = lengths(of, n, &mut random, Column::Prompt, sources)?;
            let chosen =
                lengths.into_iter().enumerate().map(|(i, tokens)| (format!("s{i}"), tokens));
            Ok((Vec::new(), chosen.collect()))
        }
        Prompts::File(path) => {
            let path = (sources.resolve)(path)?;
            let mut prompts = directory::read_prompts(&path)?;
            if prompts.is_empty() {
                return Err(WorkloadError::NoPrompts { path });
            }
            for prompt in &mut prompts {
                tokenize(prompt, &path, sources)?;
            }
            // Every prompt once before any comes again.
            let mut order: Vec<usize> = (0..prompts.len()).collect();
            random.shuffle(&mut order);
            let chosen = order.iter().cycle().take(n).map(|&i| {
                let tokens = prompts[i].token_ids.as_ref().map_or(0, Vec::len);
                (prompts[i].prompt_id.clone(), tokens as u32)
            });
            let chosen: Chosen = chosen.collect();
            prompts.retain(|prompt| chosen.iter().any(|(id, _)| *id == prompt.prompt_id));
            Ok((prompts, chosen))
        }
    }
}

fn tokenize(prompt: &mut Prompt, path: &Path, sources: &Sources<'_>) -> Result<(), WorkloadError> {
    let fault = |problem: String| WorkloadError::FaultyPrompt {
        path: path.to_owned(),
        prompt_id: prompt.prompt_id.clone(),
        problem,
    };
    if prompt.token_ids.is_none() {
        let Some(text) = &prompt.text else {
            return Err(fault("it has neither `text` nor `token_ids`".to_owned()));
        };
        let Some(tokenizer) = sources.tokenizer else {
            return Err(fault(
                "it is text, and the case names no model to tokenize it with".to_owned(),
            ));
        };
        prompt.token_ids = Some(tokenizer.token_ids(text).map_err(fault)?);
    }
    if prompt.token_ids.as_ref().is_some_and(Vec::is_empty) {
        return Err(fault("it has no tokens".to_owned()));
    }
    Ok(())
}

/// Which lengths of a trace are meant.
#[derive(Clone, Copy)]
enum Column {
    Prompt,
    Output,
}

fn lengths(
    of: &Lengths,
    n: usize,
    random: &mut Random,
    column: Column,
    sources: &Sources<'_>,
) -> Result<Vec<u32>, WorkloadError> {
    match *of {
        Lengths::Fixed(tokens) => Ok(vec![tokens; n]),
        Lengths::Uniform { min, max } => {
            let span = u64::from(max - min) + 1;
            Ok((0..n).map(|_| min + random.below(span) as u32).collect())
        }
        Lengths::Zipf { min, max, exponent } => Ok(zipf(min, max, exponent, n, random)),
        Lengths::Lognormal { median, sigma, min, max } => {
            (0..n).map(|_| lognormal(median, sigma, (min, max), random)).collect()
        }
        Lengths::Trace(ref path) => {
            let path = (sources.resolve)(path)?;
            let requests = take_of_trace(&path, n)?;
            Ok(requests
                .iter()
                .map(|r| match column {
                    Column::Prompt => r.prefill_tokens,
                    Column::Output => r.decode_tokens,
                })
                .collect())
        }
    }
}

/// `min + k - 1` with probability proportional to `1 / k^exponent`, by inversion of the cumulative sum.
fn zipf(min: u32, max: u32, exponent: f64, n: usize, random: &mut Random) -> Vec<u32> {
    let mut total = 0.0;
    let cumulative: Vec<f64> = (1..=u64::from(max - min) + 1)
        .map(|k| {
            total += libm::exp(-exponent * libm::log(k as f64));
            total
        })
        .collect();
    let mut draw = || {
        let target = random.unit() * total;
        let k = cumulative.partition_point(|&sum| sum <= target).min(cumulative.len() - 1);
        min + k as u32
    };
    (0..n).map(|_| draw()).collect()
}

fn lognormal(
    median: f64,
    sigma: f64,
    (min, max): (u32, u32),
    random: &mut Random,
) -> Result<u32, WorkloadError> {
    for _ in 0..MAX_REDRAWS {
        let tokens = libm::round(median * libm::exp(sigma * random.normal()));
        if (f64::from(min)..=f64::from(max)).contains(&tokens) {
            return Ok(tokens as u32);
        }
    }
    Err(WorkloadError::Unreachable { min, max })
}

fn arrivals(
    of: &Arrivals,
    n: usize,
    seed: u64,
    sources: &Sources<'_>,
) -> Result<Vec<u64>, WorkloadError> {
    let mut random = Random::new(seed, stream::ARRIVALS);
    Ok(match of {
        Arrivals::AllAtOnce => vec![0; n],
        Arrivals::Fixed { every_ns } => (0..n as u64).map(|i| i * every_ns).collect(),
        Arrivals::Poisson { rate } => process(n, || random.exponential() / rate),
        // Mean 1 / rate and coefficient of variation cv: shape 1 / cv^2.
        Arrivals::Gamma { rate, cv } => {
            let shape = 1.0 / (cv * cv);
            process(n, || random.gamma(shape) / (shape * rate))
        }
        Arrivals::Trace(path) => {
            let path = (sources.resolve)(path)?;
            let requests = take_of_trace(&path, n)?;
            requests.iter().map(|r| r.arrival_ns).collect()
        }
    })
}

/// Arrival times in ns from gaps in seconds; the first request comes after the first gap.
fn process(n: usize, mut gap: impl FnMut() -> f64) -> Vec<u64> {
    let mut now = 0;
    let mut next = || {
        // A float beyond u64 becomes its largest value, which no later gap may exceed.
        now = u64::saturating_add(now, libm::round(gap() * 1e9) as u64);
        now
    };
    (0..n).map(|_| next()).collect()
}

fn take_of_trace(path: &Path, n: usize) -> Result<Vec<Request>, WorkloadError> {
    let trace = directory::read(path)?;
    if trace.requests.len() < n {
        return Err(WorkloadError::ShortTrace {
            path: path.to_owned(),
            requests: trace.requests.len(),
            asked: n,
        });
    }
    Ok(trace.requests.into_iter().take(n).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn no_paths() -> Sources<'static> {
        Sources {
            resolve: &|path| Err(WorkloadError::Empty { path: path.to_owned() }),
            tokenizer: None,
        }
    }

    fn recipe(output_tokens: Lengths, arrivals: Arrivals) -> Recipe {
        let prompts = Prompts::Synthetic(Lengths::Uniform { min: 7, max: 14 });
        Recipe { prompts, output_tokens, arrivals, requests: 200, seed: 3 }
    }

    #[test]
    fn the_same_recipe_gives_the_same_workload_everywhere() {
        for (output_tokens, arrivals, expected) in [
            (
                Lengths::Lognormal { median: 60.0, sigma: 0.9, min: 1, max: 900 },
                Arrivals::Poisson { rate: 40.0 },
                "e47eb0f976a1caf40bea7fe1dccfd181acf9ae78d393517ae5967f11660703b1",
            ),
            (
                Lengths::Zipf { min: 1, max: 100, exponent: 1.2 },
                Arrivals::Gamma { rate: 40.0, cv: 3.0 },
                "91042da005dbd9c20022b7191723a133be5bd2c7f03c6e9efe32d60c0466d392",
            ),
        ] {
            let workload = generate(&recipe(output_tokens, arrivals), &no_paths()).unwrap();
            assert_eq!(workload.hash(), expected);
        }
    }

    /// One token for each letter.
    struct Letters;

    impl Tokenize for Letters {
        fn token_ids(&self, text: &str) -> Result<Vec<u32>, String> {
            Ok(text.chars().map(u32::from).collect())
        }

        fn vocabulary(&self) -> usize {
            0x11_0000
        }
    }

    #[test]
    fn prompts_come_once_each_before_any_comes_again_and_traces_give_lengths_and_arrivals() {
        let dir = tempfile::tempdir().unwrap();
        let prompts = "{\"prompt_id\": \"a\", \"text\": \"word\"}\n{\"prompt_id\": \"b\", \"token_ids\": [1, 2]}\n";
        std::fs::write(dir.path().join("p.jsonl"), prompts).unwrap();
        let trace =
            generate(&recipe(Lengths::Fixed(9), Arrivals::Poisson { rate: 5.0 }), &no_paths())
                .unwrap();
        directory::write(&trace, &dir.path().join("trace")).unwrap();
        let find = |path: &Path| Ok(dir.path().join(path));
        let sources = Sources { resolve: &find, tokenizer: Some(&Letters) };
        let of_trace = Recipe {
            prompts: Prompts::File("p.jsonl".into()),
            output_tokens: Lengths::Trace("trace".into()),
            arrivals: Arrivals::Trace("trace".into()),
            requests: 5,
            seed: 1,
        };
        let workload = generate(&of_trace, &sources).unwrap();
        let ids: Vec<&str> = workload.requests.iter().map(|r| r.prompt_id.as_str()).collect();
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[..2], ids[2..4]);
        for (request, traced) in workload.requests.iter().zip(&trace.requests) {
            assert_eq!(request.prefill_tokens, if request.prompt_id == "a" { 4 } else { 2 });
            assert_eq!((request.decode_tokens, request.arrival_ns), (9, traced.arrival_ns));
        }
        let longer = Recipe { requests: 500, ..of_trace };
        let message = generate(&longer, &sources).unwrap_err().to_string();
        assert!(
            message.ends_with("the trace has 200 requests, the case asks for 500"),
            "{message}"
        );
    }

    #[test]
    fn other_outputs_leave_the_arrivals_as_they_were() {
        let arrivals_of = |output| {
            let recipe = recipe(output, Arrivals::Poisson { rate: 40.0 });
            let workload = generate(&recipe, &no_paths()).unwrap();
            workload.requests.iter().map(|r| r.arrival_ns).collect::<Vec<_>>()
        };
        let zipf = Lengths::Zipf { min: 1, max: 9, exponent: 1.0 };
        assert_eq!(arrivals_of(Lengths::Fixed(64)), arrivals_of(zipf));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn drawn_values_keep_their_bounds_and_arrivals_ascend(min in 1_u32..50, span in 0_u32..200, seed: u64, cv in 0.2_f64..4.0) {
            let max = min + span;
            let median = f64::from(min) + f64::from(span) / 2.0;
            for of in [
                Lengths::Uniform { min, max },
                Lengths::Zipf { min, max, exponent: 1.1 },
                Lengths::Lognormal { median, sigma: 0.5, min, max },
            ] {
                let recipe = Recipe { seed, requests: 50, ..recipe(of, Arrivals::Gamma { rate: 10.0, cv }) };
                let workload = generate(&recipe, &no_paths()).unwrap();
                prop_assert!(workload.requests.iter().all(|r| (min..=max).contains(&r.decode_tokens)));
                prop_assert!(workload.requests.is_sorted_by_key(|r| r.arrival_ns));
            }
        }
    }
}
