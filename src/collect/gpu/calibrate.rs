//! Calibration workloads, which are no cases: served by the engine, so that what whole steps take in service
//! can be told from what they take on the bench.

use std::rc::Rc;

use super::Settings;
use crate::backend::{Backend as _, BackendError, Candle, LoadedModel};
use crate::collect::{Progress, sarathi};
use crate::engine::{EngineConfig, Launch};
use crate::run::Run;
use crate::stats::Random;
use crate::workload::{Request, Workload};

/// One kind of calibration workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    name: &'static str,
    launch: Launch,
    arrivals: Arrivals,
    requests: u32,
    /// Prompt tokens: of a half, and at most.
    prompt: (u32, u32),
    output: (u32, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrivals {
    AtOnce,
    /// Mean distance, us.
    Poisson(u32),
    /// Every distance of [`IDLE_MS`], in turn.
    Spaced,
}

/// Distances between requests whose steps show what idle time costs, ms.
const IDLE_MS: [u32; 9] = [20, 40, 60, 110, 210, 410, 810, 1_610, 2_610];

/// What the first engine serves: what engines do in cases, with other numbers.
const KINDS: [Kind; 8] = [
    kind("burst", Launch::Graph, Arrivals::AtOnce, 250, (110, 480), (20, 150)),
    kind("steady", Launch::Graph, Arrivals::Poisson(4_500), 260, (110, 480), (20, 150)),
    kind("busy", Launch::Graph, Arrivals::Poisson(2_200), 500, (110, 480), (20, 150)),
    kind("talk", Launch::Graph, Arrivals::Poisson(25_000), 70, (600, 4_000), (60, 300)),
    kind("long", Launch::Graph, Arrivals::Poisson(40_000), 24, (2_000, 7_000), (32, 128)),
    kind("spaced", Launch::Graph, Arrivals::Spaced, 18, (12, 40), (10, 18)),
    kind("eager-burst", Launch::Eager, Arrivals::AtOnce, 40, (60, 200), (20, 60)),
    kind("eager-spaced", Launch::Eager, Arrivals::Spaced, 18, (12, 40), (10, 18)),
];

/// What every further engine serves.
const FURTHER: [Kind; 3] = [
    kind("burst", Launch::Graph, Arrivals::AtOnce, 64, (110, 480), (20, 150)),
    kind("talk", Launch::Graph, Arrivals::Poisson(25_000), 60, (1_200, 2_500), (30, 120)),
    kind("long", Launch::Graph, Arrivals::Poisson(20_000), 20, (5_000, 8_000), (60, 160)),
];

const fn kind(
    name: &'static str,
    launch: Launch,
    arrivals: Arrivals,
    requests: u32,
    prompt: (u32, u32),
    output: (u32, u32),
) -> Kind {
    Kind { name, launch, arrivals, requests, prompt, output }
}

impl Kind {
    /// The workload, another one for each process.
    fn workload(&self, settings: &Settings, process: u32) -> Workload {
        let seed = settings.seed ^ u64::from(process);
        let mut random = Random::new(seed, CALIBRATION_STREAM);
        let (most_prompt, most) = (self.prompt.1, settings.max_context);
        let mut now_us = 0;
        let request = |i: u32| {
            let (median, cap) =
                (f64::from(self.prompt.0), most_prompt.min(most.saturating_sub(self.output.1)));
            let prompt = (median * libm::exp(0.6 * random.normal())) as u32;
            let (least, span) = (self.output.0, u64::from(self.output.1 - self.output.0) + 1);
            let arrival_ns = now_us * 1_000;
            now_us += match self.arrivals {
                Arrivals::AtOnce => 0,
                Arrivals::Poisson(mean) => (random.exponential() * f64::from(mean)) as u64,
                Arrivals::Spaced => 1_000 * u64::from(IDLE_MS[i as usize % IDLE_MS.len()]),
            };
            Request {
                request_id: u64::from(i),
                prompt_id: format!("calibration-{}-{process}-{i}", self.name),
                prefill_tokens: prompt.clamp(4, cap.max(4)),
                decode_tokens: least + random.below(span) as u32,
                arrival_ns,
            }
        };
        let requests = (0..self.requests).map(request).collect();
        Workload { requests, prompts: Vec::new(), seed }
    }

    fn engine(&self, settings: &Settings, limits: (u32, u32)) -> EngineConfig {
        let engine =
            sarathi(self.launch, limits, settings.kv_block_tokens, Some(settings.kv_blocks));
        EngineConfig { kv_watermark_bp: 100, ..engine }
    }
}

/// Tells the random numbers of calibration workloads from those of contents.
const CALIBRATION_STREAM: u64 = 1 << 32;

/// A served calibration workload.
pub(super) struct Served {
    /// A name for it: its kind and the engine's limits.
    pub name: String,
    pub run: Run,
}

/// Serves every kind once, warm.
pub(super) fn serve(
    settings: &Settings,
    loaded: &Rc<LoadedModel>,
    process: u32,
    progress: Progress<'_>,
) -> Result<Vec<Served>, BackendError> {
    let of = |kinds: &'static [Kind], launch| {
        kinds.iter().filter(move |kind| kind.launch == launch).collect::<Vec<&Kind>>()
    };
    let mut engines = vec![(settings.limits[0], of(&KINDS, Launch::Graph))];
    engines.extend(settings.limits[1..].iter().map(|&l| (l, of(&FURTHER, Launch::Graph))));
    engines.push((settings.limits[0], of(&KINDS, Launch::Eager)));
    let all: usize = engines.iter().map(|(_, kinds)| kinds.len()).sum();
    let mut served = Vec::new();
    for (limits, kinds) in engines {
        let mut candle: Option<Candle> = None;
        for kind in kinds {
            progress("calibration workloads", served.len() as u64, all as u64);
            let workload = kind.workload(settings, process);
            let candle = candle.get_or_insert_with(|| {
                Candle::new(Rc::clone(loaded), kind.engine(settings, limits), process)
            });
            candle.warm_up(&workload, 1)?;
            let run = candle.run(&workload, served.len() as u32)?;
            let name = format!("p{process}-{}-{}x{}", kind.name, limits.0, limits.1);
            served.push(Served { name, run });
        }
    }
    Ok(served)
}
