//! The requests that both simulators serve: of a trace, or drawn.

use std::path::Path;

use anyhow::ensure;
use simgate::files::{FileError, Table};
use simgate::stats::Random;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Arrival since the start, ns.
    pub arrival_ns: u64,
    /// Prompt tokens, at least 1.
    pub prefill_tokens: u32,
    /// Output tokens, at least 1.
    pub decode_tokens: u32,
}

const COLUMNS: [&str; 3] = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"];

/// Reads a trace as Vidur's trace replay does: arrivals in s times `time_scale`, lengths of at least
/// one token, prompts cut so that a request has no more than `max_tokens`. Ascending by arrival.
///
/// # Errors
/// A table that cannot be read, lacks a column, has no row, or an output that leaves no room for a prompt.
pub fn trace(path: &Path, time_scale: f64, max_tokens: u32) -> anyhow::Result<Vec<Request>> {
    let table = Table::open(path)?;
    let [arrived_at, prefill, decode] = table.columns(COLUMNS)?;
    let mut requests = Vec::new();
    table.for_each::<FileError>(|row| {
        let arrival_ns = match row.text(arrived_at).parse::<f64>() {
            Ok(s) if s.is_finite() && s >= 0.0 => (s * time_scale * 1e9).round() as u64,
            _ => return Err(row.problem(arrived_at, "not a time in s from 0 on")),
        };
        let decode_tokens = row.u32(decode)?.max(1);
        if decode_tokens >= max_tokens {
            let problem =
                format!("{decode_tokens} leaves no room for a prompt: raise --max-tokens");
            return Err(row.problem(decode, problem));
        }
        let prefill_tokens = row.u32(prefill)?.clamp(1, max_tokens - decode_tokens);
        requests.push(Request { arrival_ns, prefill_tokens, decode_tokens });
        Ok(())
    })?;
    ensure!(!requests.is_empty(), "{}: no requests in it", path.display());
    requests.sort_by_key(|r| r.arrival_ns);
    Ok(requests)
}

/// Shapes and means of the lengths that [`drawn`] draws, tokens.
const PREFILL: (f64, f64) = (1.0, 1200.0);
const DECODE: (f64, f64) = (1.5, 220.0);

/// `count` requests of a Poisson process of `qps` requests a second, with gamma-distributed lengths cut
/// to `max_tokens` (at least 2) as in [`trace`].
pub fn drawn(count: usize, qps: f64, max_tokens: u32, seed: u64) -> Vec<Request> {
    let mut random = Random::new(seed, 0);
    let mut arrival_s = 0.0;
    let mut request = || {
        arrival_s += random.exponential() / qps;
        let mut length = |(shape, mean): (f64, f64), most: u32| {
            ((random.gamma(shape) * mean / shape) as u32).clamp(1, most)
        };
        let decode_tokens = length(DECODE, max_tokens - 1);
        let prefill_tokens = length(PREFILL, max_tokens - decode_tokens);
        Request { arrival_ns: (arrival_s * 1e9) as u64, prefill_tokens, decode_tokens }
    };
    (0..count).map(|_| request()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &str) -> anyhow::Result<Vec<Request>> {
        let path = std::env::temp_dir().join(format!("peers-{}.csv", std::process::id()));
        std::fs::write(&path, format!("{}\n{rows}", COLUMNS.join(",")))?;
        let requests = trace(&path, 4.0, 100);
        std::fs::remove_file(&path)?;
        requests
    }

    #[test]
    fn traces_are_scaled_cut_and_sorted_and_faults_are_located() {
        let request = |arrival_ns, prefill_tokens, decode_tokens| Request {
            arrival_ns,
            prefill_tokens,
            decode_tokens,
        };
        let requests = read("1.5,95,10\n0,0,0\n").unwrap();
        assert_eq!(requests, [request(0, 1, 1), request(6_000_000_000, 90, 10)]);
        for (rows, place) in [("0,5,5\n-1,5,5\n", "arrived_at"), ("0,5,100\n", "--max-tokens")] {
            assert!(read(rows).unwrap_err().to_string().contains(place));
        }
        assert!(read("").unwrap_err().to_string().contains("no requests"));
    }

    #[test]
    fn drawn_requests_ascend_and_keep_the_limit() {
        let requests = drawn(500, 2.0, 300, 7);
        assert_eq!(requests, drawn(500, 2.0, 300, 7));
        assert!(requests.is_sorted_by_key(|r| r.arrival_ns));
        assert!(requests.iter().all(|r| r.prefill_tokens + r.decode_tokens <= 300));
        assert!(requests.iter().all(|r| r.prefill_tokens.min(r.decode_tokens) > 0));
    }
}
