//! A run from nothing but token times: what a simple backend has to return.

use crate::run::{RequestRecord, Run, RunMeta, Status, TokenTimes};
use crate::workload::Workload;

/// The run of `workload` in which the tokens of its request number i came at `times_ns[i]`
/// (ascending, ns since the run's start). A request without a token has failed; one with fewer than
/// it asked for has stopped early.
pub fn served<T: AsRef<[u64]>>(workload: &Workload, times_ns: &[T], meta: RunMeta) -> Run {
    let mut rows: Vec<_> = workload.requests.iter().zip(times_ns).collect();
    rows.sort_by_key(|(request, _)| request.request_id);
    let record = |(request, times): &(&crate::workload::Request, &T)| {
        let times = times.as_ref();
        RequestRecord {
            request_id: request.request_id,
            arrival_ns: request.arrival_ns,
            first_token_ns: times.first().copied(),
            completion_ns: times.last().copied(),
            prefill_tokens: request.prefill_tokens,
            decode_tokens: request.decode_tokens,
            decode_tokens_actual: times.len() as u32,
            status: if times.is_empty() { Status::Failed } else { Status::Ok },
            backend: None,
        }
    };
    Run {
        requests: rows.iter().map(record).collect(),
        tokens: Some(TokenTimes::from_requests(rows.iter().map(|(_, times)| times))),
        meta: Some(meta),
        ..Run::default()
    }
}
