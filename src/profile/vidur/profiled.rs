//! Vidur's profiles: rows of many models' worth of columns, of which medians count. Rows of another model
//! are refused; of those there are, the ones of the asked degree and block size are taken.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::VidurError;
use super::points::Point;
use crate::files::{Column, FileError, Row, Table};
use crate::model::ModelShape;

/// What the rows have to be of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub shape: &'a ModelShape,
    pub tensor_parallel: u32,
    pub pipeline_parallel: u32,
    pub block_tokens: u32,
}

/// Ops that Vidur takes as 0 where their column is missing or empty.
pub(super) const FILLED: [&str; 4] =
    ["input_layernorm", "post_attention_layernorm", "add", "attn_kv_cache_save"];

/// The measured points of token ops, in the order of `ops`.
pub(super) fn mlp(
    path: &Path,
    asked: Asked<'_>,
    ops: &[&'static str],
) -> Result<Vec<Vec<Point<1>>>, VidurError> {
    let table = Table::open(path)?;
    let shape = asked.shape;
    let model = Model::of(
        &table,
        &[
            ("n_head", shape.heads),
            ("n_kv_head", shape.kv_heads),
            ("n_embd", shape.hidden_size),
            ("n_expanded_embd", shape.intermediate_size),
        ],
    )?;
    let gated = table.column("use_gated_mlp")?;
    let tokens = table.column("num_tokens")?;
    let mut degrees =
        Filter::new(&table, path, "num_tensor_parallel_workers", asked.tensor_parallel)?;
    let times: Vec<Time> =
        ops.iter().map(|op| Time::median(&table, op)).collect::<Result<_, _>>()?;
    let mut points = vec![Vec::new(); ops.len()];
    let mut first_gated: Option<String> = None;
    table.for_each::<VidurError>(|row| {
        model.check(&row)?;
        // The shape does not say it, but one model is one or the other.
        let found = row.text(gated);
        let first = first_gated.get_or_insert_with(|| found.to_owned());
        if first != found {
            let problem =
                format!("{found}, but {first} above: keep the rows of one model, or name another");
            return Err(row.problem(gated, problem).into());
        }
        if degrees.holds(&row)? {
            let at = [f64::from(row.whole(tokens)?)];
            for (points, time) in points.iter_mut().zip(&times) {
                points.push(Point { at, ms: time.ms(&row)?, line: row.line() });
            }
        }
        Ok(())
    })?;
    degrees.done()?;
    check_all(path, &times, &points)?;
    Ok(points)
}

/// What the attention profile measured.
pub(super) struct Attention {
    /// Of saving new keys and values, by tokens.
    pub save: Vec<Point<1>>,
    /// Of decodes, by batch size and tokens in the cache.
    pub decode: Vec<Point<2>>,
    /// Of a prompt's chunk, by tokens in the cache and in the chunk.
    pub prefill: Vec<Point<2>>,
}

pub(super) fn attention(path: &Path, asked: Asked<'_>) -> Result<Attention, VidurError> {
    let table = Table::open(path)?;
    let shape = asked.shape;
    let model = Model::of(
        &table,
        &[("n_q_head", shape.heads), ("n_kv_head", shape.kv_heads), ("n_embd", shape.hidden_size)],
    )?;
    let [batch, chunk, kv] =
        table.columns(["batch_size", "prefill_chunk_size", "kv_cache_size"])?;
    let mut degrees =
        Filter::new(&table, path, "num_tensor_parallel_workers", asked.tensor_parallel)?;
    let mut blocks = Filter::new(&table, path, "block_size", asked.block_tokens)?;
    let saving = [Time::median(&table, "attn_kv_cache_save")?];
    let decoding = [Time::median(&table, "attn_decode")?];
    let prefilling = [Time::median(&table, "attn_prefill")?];
    let (mut save, mut decode, mut prefill) = (Vec::new(), Vec::new(), Vec::new());
    table.for_each::<VidurError>(|row| {
        model.check(&row)?;
        if !degrees.holds(&row)? || !blocks.holds(&row)? {
            return Ok(());
        }
        let [batch, chunk, kv] = [row.whole(batch)?, row.whole(chunk)?, row.whole(kv)?];
        let line = row.line();
        let ms = saving[0].ms(&row)?;
        save.push(Point { at: [f64::from(batch.max(chunk))], ms, line });
        if chunk == 0 {
            let at = [f64::from(batch), f64::from(kv)];
            decode.push(Point { at, ms: decoding[0].ms(&row)?, line });
        } else {
            let at = [f64::from(kv), f64::from(chunk)];
            prefill.push(Point { at, ms: prefilling[0].ms(&row)?, line });
        }
        Ok(())
    })?;
    degrees.done()?;
    blocks.done()?;
    let (save, decode, prefill) = ([save], [decode], [prefill]);
    check_all(path, &saving, &save)?;
    check_all(path, &decoding, &decode)?;
    check_all(path, &prefilling, &prefill)?;
    let ([save], [decode], [prefill]) = (save, decode, prefill);
    Ok(Attention { save, decode, prefill })
}

/// The points of `all_reduce` among the workers of one degree, by tokens.
pub(super) fn all_reduce(path: &Path, asked: Asked<'_>) -> Result<Vec<Point<1>>, VidurError> {
    let table = Table::open(path)?;
    let mut workers = Filter::new(&table, path, "num_workers", asked.tensor_parallel)?;
    let mut devices = Filter::new(&table, path, "devices_per_node", asked.tensor_parallel)?;
    collective(&table, path, "all_reduce", asked, |row| {
        Ok(workers.holds(row)? && devices.holds(row)?)
    })
    .and_then(|points| {
        workers.done()?;
        devices.done()?;
        Ok(points)
    })
}

/// The points of `send_recv`, by tokens: between two devices of a node, or of two where all workers do not
/// fit into one.
pub(super) fn send_recv(path: &Path, asked: Asked<'_>) -> Result<Vec<Point<1>>, VidurError> {
    let table = Table::open(path)?;
    let most = table.column("max_devices_per_node")?;
    let all = asked.tensor_parallel.saturating_mul(asked.pipeline_parallel);
    let mut one_node = Filter::new(&table, path, "devices_per_node", 2)?;
    let mut two_nodes = Filter::new(&table, path, "devices_per_node", 1)?;
    let mut spread = false;
    let points = collective(&table, path, "send_recv", asked, |row| {
        spread = all > row.whole(most)?;
        if spread { two_nodes.holds(row) } else { one_node.holds(row) }
    })?;
    if spread {
        two_nodes.done()?
    } else {
        one_node.done()?
    }
    Ok(points)
}

fn collective(
    table: &Table,
    path: &Path,
    op: &'static str,
    asked: Asked<'_>,
    mut counts: impl FnMut(&Row<'_>) -> Result<bool, FileError>,
) -> Result<Vec<Point<1>>, VidurError> {
    let [kind, size] = table.columns(["collective", "size"])?;
    let times = [Time::median(table, op)?];
    let mut points = Vec::new();
    table.for_each::<VidurError>(|row| {
        if row.text(kind) == op && counts(&row)? {
            // Two bytes for each number of a token.
            let tokens = row.finite(size)? / f64::from(asked.shape.hidden_size) / 2.0;
            points.push(Point { at: [tokens], ms: times[0].ms(&row)?, line: row.line() });
        }
        Ok(())
    })?;
    let points = [points];
    check_all(path, &times, &points)?;
    let [points] = points;
    Ok(points)
}

/// The host's shares of a step and their columns.
pub(super) const HOST: [(&str, &str); 5] = [
    ("schedule", "schedule_median"),
    ("sampler_e2e", "sampler_e2e_median"),
    ("prepare_inputs_e2e", "prepare_inputs_e2e_median"),
    ("process_model_outputs", "process_model_outputs_median"),
    ("ray_comm_time", "ray_comm_time_mean"),
];

/// The points of the host's shares, by batch size, in the order of [`HOST`]; empty where the file has none
/// of this degree, since nobody may ask for them.
pub(super) fn host(path: &Path, asked: Asked<'_>) -> Result<Vec<Vec<Point<1>>>, VidurError> {
    let table = Table::open(path)?;
    let batch = table.column("batch_size")?;
    let mut degrees = Filter::new(&table, path, "tensor_parallel_degree", asked.tensor_parallel)?;
    let times: Vec<Time> = HOST
        .iter()
        .map(|(_, column)| {
            Ok(Time {
                column: Some(table.column(column)?),
                name: (*column).to_owned(),
                filled: false,
            })
        })
        .collect::<Result<_, FileError>>()?;
    let mut points = vec![Vec::new(); HOST.len()];
    table.for_each::<VidurError>(|row| {
        if degrees.holds(&row)? {
            let at = [f64::from(row.whole(batch)?)];
            for (points, time) in points.iter_mut().zip(&times) {
                points.push(Point { at, ms: time.ms(&row)?, line: row.line() });
            }
        }
        Ok(())
    })?;
    if degrees.done().is_err() {
        return Ok(Vec::new());
    }
    check_all(path, &times, &points)?;
    Ok(points)
}

/// The columns that say which model a row is of.
struct Model(Vec<(Column, u32)>);

impl Model {
    fn of(table: &Table, expected: &[(&str, u32)]) -> Result<Self, FileError> {
        let column = |&(name, value): &(&str, u32)| Ok((table.column(name)?, value));
        Ok(Self(expected.iter().map(column).collect::<Result<_, FileError>>()?))
    }

    fn check(&self, row: &Row<'_>) -> Result<(), FileError> {
        for &(column, expected) in &self.0 {
            let found = row.whole(column)?;
            if found != expected {
                let problem = format!(
                    "{found}, but the model has {expected}: the row is of another model; name that model, or another bundle"
                );
                return Err(row.problem(column, problem));
            }
        }
        Ok(())
    }
}

/// A column of which one value is asked for.
struct Filter {
    path: PathBuf,
    name: &'static str,
    column: Column,
    asked: u32,
    seen: BTreeSet<u32>,
}

impl Filter {
    fn new(table: &Table, path: &Path, name: &'static str, asked: u32) -> Result<Self, FileError> {
        let column = table.column(name)?;
        Ok(Self { path: path.to_owned(), name, column, asked, seen: BTreeSet::new() })
    }

    fn holds(&mut self, row: &Row<'_>) -> Result<bool, FileError> {
        let found = row.whole(self.column)?;
        self.seen.insert(found);
        Ok(found == self.asked)
    }

    /// Complains where no row held.
    fn done(self) -> Result<(), VidurError> {
        if self.seen.contains(&self.asked) {
            return Ok(());
        }
        let present: Vec<String> = self.seen.iter().map(u32::to_string).collect();
        let present = if present.is_empty() { "no rows".to_owned() } else { present.join(", ") };
        Err(VidurError::NoRows { path: self.path, column: self.name, asked: self.asked, present })
    }
}

/// A column of times.
struct Time {
    column: Option<Column>,
    name: String,
    /// Whether what is missing counts as 0.
    filled: bool,
}

impl Time {
    fn median(table: &Table, op: &str) -> Result<Self, FileError> {
        let name = format!("time_stats.{op}.median");
        let filled = FILLED.contains(&op);
        let column = if filled { table.optional(&name) } else { Some(table.column(&name)?) };
        Ok(Self { column, name, filled })
    }

    fn ms(&self, row: &Row<'_>) -> Result<f64, FileError> {
        match self.column {
            None => Ok(0.0),
            Some(column) if self.filled && row.is_empty(column) => Ok(0.0),
            Some(column) => row.finite(column),
        }
    }
}

/// A column that Vidur fills is all zeros, where it was never measured, or has none; others have none.
fn check_all<const N: usize>(
    path: &Path,
    times: &[Time],
    points: &[Vec<Point<N>>],
) -> Result<(), VidurError> {
    for (time, points) in times.iter().zip(points) {
        if time.filled && points.iter().all(|point| point.ms == 0.0) {
            continue;
        }
        if let Some(point) = points.iter().find(|point| point.ms <= 0.0) {
            let problem = format!("{} is no time above 0", point.ms);
            let (path, column) = (path.to_owned(), time.name.clone());
            return Err(FileError::Value { path, line: point.line, column, problem }.into());
        }
    }
    Ok(())
}
