//! The tables of a GPU's times. What was measured, each row with the process that measured it:
//! `replays.csv` (whole steps as graphs), `eager.csv` (whole steps, launch by launch), `gpu_ops.csv` (ops),
//! `launches.csv` (what launching costs), `validation.csv` (whole steps that nothing is fitted to). What was
//! made of runs of calibration workloads: `gpu_host.csv` (host spans), `idle.csv` (what steps after idle time
//! take longer), `gpu_residuals.csv` (measured over predicted steps, in their order).

use std::path::{Path, PathBuf};

use super::gpu::{
    GpuHost, GpuHostEntry, GpuTimes, IdleEntry, LaunchEntry, OpTimesEntry, ReplayEntry,
    StepResidual, TimeSpread,
};
use super::{Content, Files, ProfileError, step_model};
use crate::files::{Column, FileError, Row, Table, TableWriter};
use crate::model::{GpuOp, StepSize};

const REPLAYS: &str = "replays.csv";
const EAGER: &str = "eager.csv";
const VALIDATION: &str = "validation.csv";
const OPS: &str = "gpu_ops.csv";
const LAUNCHES: &str = "launches.csv";
const HOST: &str = "gpu_host.csv";
const IDLE: &str = "idle.csv";
const RESIDUALS: &str = "gpu_residuals.csv";
const STEP_MODEL: &str = "step_model.csv";
const STEP_POINTS: &str = "step_points.csv";
/// Its files.
pub(super) const FILES: [&str; 10] =
    [REPLAYS, EAGER, VALIDATION, OPS, LAUNCHES, HOST, IDLE, RESIDUALS, STEP_MODEL, STEP_POINTS];

type Open<'a> = &'a dyn Fn(&'static str) -> Result<PathBuf, ProfileError>;

impl GpuTimes {
    /// Everything, or only what was `measured` and not what was fitted to it.
    pub(super) fn read(open: Open<'_>, measured: bool) -> Result<Self, ProfileError> {
        let (mut step_model, mut variables) = Default::default();
        if !measured {
            (step_model, variables) = step_model::read(&open(STEP_MODEL)?)?;
            step_model::read_points(&open(STEP_POINTS)?, &mut step_model)?;
        }
        Ok(Self {
            replays: read_replays(&open(REPLAYS)?)?,
            eager: read_replays(&open(EAGER)?)?,
            validation: read_replays(&open(VALIDATION)?)?,
            ops: read_ops(&open(OPS)?)?,
            launches: read_launches(&open(LAUNCHES)?)?,
            host: read_host(&open(HOST)?)?,
            idle: read_idle(&open(IDLE)?)?,
            residuals: read_residuals(&open(RESIDUALS)?)?,
            step_model,
            variables,
        })
    }

    pub(super) fn files(&self) -> Files {
        vec![
            (REPLAYS, replays(&self.replays)),
            (EAGER, replays(&self.eager)),
            (VALIDATION, replays(&self.validation)),
            (OPS, self.ops_table()),
            (LAUNCHES, self.launches_table()),
            (HOST, self.host_table()),
            (IDLE, self.idle_table()),
            (RESIDUALS, self.residuals_table()),
            (STEP_MODEL, step_model::table(&self.step_model, &self.variables)),
            (STEP_POINTS, step_model::points_table(&self.step_model)),
        ]
    }

    fn ops_table(&self) -> TableWriter {
        let mut table = TableWriter::new(&OP_COLUMNS);
        for entry in &self.ops {
            let mut row = vec![
                entry.process.to_string(),
                entry.op.as_str().to_owned(),
                entry.bucket.to_string(),
                entry.content.to_string(),
            ];
            row.extend(entry.gpu.fields());
            row.extend(entry.one_layer.fields());
            row.extend(entry.issue.fields());
            row.push(entry.samples.to_string());
            table.row(&row);
        }
        table
    }

    fn launches_table(&self) -> TableWriter {
        let mut table = TableWriter::new(&LAUNCH_COLUMNS);
        for LaunchEntry { process, name, value } in &self.launches {
            table.row(&[process.to_string(), name.clone(), (value.round() as u64).to_string()]);
        }
        table
    }

    fn host_table(&self) -> TableWriter {
        let mut table = TableWriter::new(&HOST_COLUMNS);
        for entry in &self.host {
            let mut row = vec![
                entry.span.as_str().to_owned(),
                word(entry.chunks, CHUNKS).to_owned(),
                entry.sequences.to_string(),
            ];
            row.extend(entry.time.fields());
            row.push(entry.samples.to_string());
            table.row(&row);
        }
        table
    }

    fn idle_table(&self) -> TableWriter {
        let mut table = TableWriter::new(&IDLE_COLUMNS);
        for entry in &self.idle {
            table.row(&[
                word(entry.eager, LAUNCH).to_owned(),
                entry.idle_ns.to_string(),
                entry.steps_since.to_string(),
                entry.extra_ns.to_string(),
                entry.samples.to_string(),
            ]);
        }
        table
    }

    fn residuals_table(&self) -> TableWriter {
        let mut table = TableWriter::new(&RESIDUAL_COLUMNS);
        for entry in &self.residuals {
            table.row(&[
                entry.process.to_string(),
                entry.run.to_string(),
                word(entry.eager, LAUNCH).to_owned(),
                word(entry.chunks, CHUNKS).to_owned(),
                entry.sequences.to_string(),
                ppm(entry.device),
                ppm(entry.host),
            ]);
        }
        table
    }
}

impl TimeSpread {
    fn fields(self) -> [String; 3] {
        [self.median, self.p10, self.p90].map(|time| time.to_string())
    }

    fn read(row: &Row<'_>, [median, p10, p90]: [Column; 3]) -> Result<Self, FileError> {
        let time = Self { median: row.u64(median)?, p10: row.u64(p10)?, p90: row.u64(p90)? };
        if time.median == 0 || time.p10 > time.median || time.median > time.p90 {
            return Err(
                row.problem(median, "times are above 0, and a median lies between its percentiles")
            );
        }
        Ok(time)
    }
}

/// Words for no and yes.
type Words = [&'static str; 2];
const LAUNCH: Words = ["graph", "eager"];
const CHUNKS: Words = ["decode", "chunks"];

fn word(value: bool, words: Words) -> &'static str {
    words[usize::from(value)]
}

fn read_word(row: &Row<'_>, column: Column, words: Words) -> Result<bool, FileError> {
    match row.text(column) {
        text if text == words[1] => Ok(true),
        text if text == words[0] => Ok(false),
        other => {
            Err(row.problem(column, format!("`{other}` is not `{}` or `{}`", words[0], words[1])))
        }
    }
}

/// Ratios are kept in millionths: an integer reads back as it was written.
fn ppm(ratio: f64) -> String {
    ((ratio * 1e6).round() as u64).to_string()
}

const REPLAY_COLUMNS: [&str; 10] = [
    "process",
    "bucket",
    "content",
    "wall_ns",
    "wall_p10_ns",
    "wall_p90_ns",
    "gpu_ns",
    "gpu_p10_ns",
    "gpu_p90_ns",
    "samples",
];
const OP_COLUMNS: [&str; 14] = [
    "process",
    "op",
    "bucket",
    "content",
    "gpu_ns",
    "gpu_p10_ns",
    "gpu_p90_ns",
    "one_layer_ns",
    "one_layer_p10_ns",
    "one_layer_p90_ns",
    "issue_ns",
    "issue_p10_ns",
    "issue_p90_ns",
    "samples",
];
const LAUNCH_COLUMNS: [&str; 3] = ["process", "cost", "value"];
const HOST_COLUMNS: [&str; 7] =
    ["span", "kind", "sequences", "median_ns", "p10_ns", "p90_ns", "samples"];
const IDLE_COLUMNS: [&str; 5] = ["launch", "idle_ns", "steps_since", "extra_ns", "samples"];
const RESIDUAL_COLUMNS: [&str; 7] =
    ["process", "run", "launch", "kind", "sequences", "device_ppm", "host_ppm"];

fn replays(entries: &[ReplayEntry]) -> TableWriter {
    let mut table = TableWriter::new(&REPLAY_COLUMNS);
    for entry in entries {
        let mut row =
            vec![entry.process.to_string(), entry.bucket.to_string(), entry.content.to_string()];
        row.extend(entry.wall.fields());
        row.extend(entry.gpu.fields());
        row.push(entry.samples.to_string());
        table.row(&row);
    }
    table
}

/// Bucket and content of a row, which must fit each other.
fn step(row: &Row<'_>, bucket: Column, content: Column) -> Result<(StepSize, Content), FileError> {
    let size: StepSize =
        row.text(bucket).parse().map_err(|error| row.problem(bucket, format!("{error}")))?;
    let found: Content =
        row.text(content).parse().map_err(|error| row.problem(content, format!("{error}")))?;
    if found.tokens() > u64::from(size.tokens) || found.0.len() > size.sequences as usize {
        return Err(row.problem(content, "the content is larger than its bucket"));
    }
    Ok((size, found))
}

fn read_replays(path: &Path) -> Result<Vec<ReplayEntry>, FileError> {
    let table = Table::open(path)?;
    let [process, bucket, content, w, w10, w90, g, g10, g90, samples] =
        table.columns(REPLAY_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        let (size, found) = step(&row, bucket, content)?;
        entries.push(ReplayEntry {
            process: row.u32(process)?,
            bucket: size,
            content: found,
            wall: TimeSpread::read(&row, [w, w10, w90])?,
            gpu: TimeSpread::read(&row, [g, g10, g90])?,
            samples: row.u32(samples)?,
        });
        Ok(())
    })?;
    Ok(entries)
}

fn read_ops(path: &Path) -> Result<Vec<OpTimesEntry>, FileError> {
    let table = Table::open(path)?;
    let [process, op, bucket, content, g, g10, g90, o, o10, o90, i, i10, i90, samples] =
        table.columns(OP_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        let name = row.text(op);
        let Some(class) = GpuOp::all().find(|op| op.as_str() == name) else {
            return Err(row.problem(op, format!("`{name}` is no op of a step on a GPU")));
        };
        let (size, found) = step(&row, bucket, content)?;
        entries.push(OpTimesEntry {
            process: row.u32(process)?,
            op: class,
            bucket: size,
            content: found,
            gpu: TimeSpread::read(&row, [g, g10, g90])?,
            one_layer: TimeSpread::read(&row, [o, o10, o90])?,
            issue: TimeSpread::read(&row, [i, i10, i90])?,
            samples: row.u32(samples)?,
        });
        Ok(())
    })?;
    Ok(entries)
}

fn read_launches(path: &Path) -> Result<Vec<LaunchEntry>, FileError> {
    let table = Table::open(path)?;
    let [process, name, value] = table.columns(LAUNCH_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        entries.push(LaunchEntry {
            process: row.u32(process)?,
            name: row.text(name).to_owned(),
            value: row.u64(value)? as f64,
        });
        Ok(())
    })?;
    Ok(entries)
}

fn read_host(path: &Path) -> Result<Vec<GpuHostEntry>, FileError> {
    let table = Table::open(path)?;
    let [span, kind, sequences, median, p10, p90, samples] = table.columns(HOST_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        let name = row.text(span);
        let Some(found) = GpuHost::ALL.into_iter().find(|span| span.as_str() == name) else {
            return Err(row.problem(span, format!("`{name}` is no host span")));
        };
        entries.push(GpuHostEntry {
            span: found,
            chunks: read_word(&row, kind, CHUNKS)?,
            sequences: row.u32(sequences)?,
            time: TimeSpread::read(&row, [median, p10, p90])?,
            samples: row.u32(samples)?,
        });
        Ok(())
    })?;
    Ok(entries)
}

fn read_idle(path: &Path) -> Result<Vec<IdleEntry>, FileError> {
    let table = Table::open(path)?;
    let [launch, idle, since, extra, samples] = table.columns(IDLE_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        entries.push(IdleEntry {
            eager: read_word(&row, launch, LAUNCH)?,
            idle_ns: row.u64(idle)?,
            steps_since: row.u32(since)?,
            extra_ns: row
                .text(extra)
                .parse()
                .map_err(|_| row.problem(extra, "is no whole number of ns"))?,
            samples: row.u32(samples)?,
        });
        Ok(())
    })?;
    Ok(entries)
}

fn read_residuals(path: &Path) -> Result<Vec<StepResidual>, FileError> {
    let table = Table::open(path)?;
    let [process, run, launch, kind, sequences, device, host] = table.columns(RESIDUAL_COLUMNS)?;
    let mut entries = Vec::new();
    table.for_each::<FileError>(|row| {
        entries.push(StepResidual {
            process: row.u32(process)?,
            run: row.u32(run)?,
            eager: read_word(&row, launch, LAUNCH)?,
            chunks: read_word(&row, kind, CHUNKS)?,
            sequences: row.u32(sequences)?,
            device: row.u64(device)? as f64 / 1e6,
            host: row.u64(host)? as f64 / 1e6,
        });
        Ok(())
    })?;
    Ok(entries)
}
