//! Faults of results: the simulation was right, what was handed on is not. They apply to any sim side,
//! imported ones too.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::run::{RequestRecord, Run, Status, TokenTimes};

/// What is wrong with results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultFault {
    /// The last token of every request is missing.
    DecodeShort,
    /// Gaps are spread over as many tokens as there are, not over as many gaps.
    TpotByTokens,
    /// Every gap is this share of what it should be, in percent.
    Gaps(u32),
    /// Every token comes at this share of the time since its request's arrival, in percent.
    Latencies(u32),
    /// Each gap is moved to another request, so that all requests take about equally long for their tokens.
    TotalsCompressed,
    /// Two requests have each other's results.
    Swapped,
    /// One request arrives a millisecond later.
    ArrivalShifted,
    /// One request failed.
    RequestLost,
}

/// How much later the shifted request arrives.
const SHIFT_NS: u64 = 1_000_000;

impl ResultFault {
    /// Gives the runs of a side the fault.
    pub fn apply(self, runs: &mut [Run]) {
        let Some(first) = runs.first() else { return };
        let (pair, middle) = (swapped_pair(first), first.requests.len() / 2);
        for run in runs {
            match self {
                Self::DecodeShort => change_tokens(run, |times| {
                    times.pop();
                }),
                Self::TpotByTokens => change_tokens(run, |times| {
                    let n = times.len() as f64;
                    stretch(times, (n - 1.0) / n);
                }),
                Self::Gaps(percent) => {
                    let share = f64::from(percent) / 100.0;
                    if let Some(gaps) = &mut run.gaps {
                        gaps.percentiles_ns.iter_mut().for_each(|ns| *ns *= share);
                    }
                    change_tokens(run, |times| stretch(times, share));
                }
                Self::Latencies(percent) => scale_latencies(run, f64::from(percent) / 100.0),
                Self::TotalsCompressed => compress_totals(run),
                Self::Swapped => {
                    if let Some((a, b)) = pair {
                        swap(run, a, b);
                    }
                }
                Self::ArrivalShifted => shift(run, middle),
                Self::RequestLost => {
                    if let Some(request) = run.requests.get_mut(middle) {
                        request.status = Status::Failed;
                    }
                }
            }
        }
    }
}

/// Token times of every request; of one whose times are not known, its first and last, with as many as it has
/// between them.
fn token_times(run: &Run) -> Vec<Vec<u64>> {
    let times = |(index, request): (usize, &RequestRecord)| match &run.tokens {
        Some(tokens) => tokens.of(index).to_vec(),
        None => spread(request),
    };
    run.requests.iter().enumerate().map(times).collect()
}

fn spread(request: &RequestRecord) -> Vec<u64> {
    let (Some(first), Some(last)) = (request.first_token_ns, request.completion_ns) else {
        return Vec::new();
    };
    let gaps = u64::from(request.decode_tokens_actual.max(1) - 1);
    let at = |token: u64| first + (last - first) * token / gaps.max(1);
    (0..=gaps).map(at).collect()
}

/// Takes over changed token times.
fn set_token_times(run: &mut Run, times: &[Vec<u64>]) {
    for (request, times) in run.requests.iter_mut().zip(times) {
        request.first_token_ns = times.first().copied();
        request.completion_ns = times.last().copied().or(request.completion_ns);
        request.decode_tokens_actual = times.len() as u32;
    }
    if run.tokens.is_some() {
        run.tokens = Some(TokenTimes::from_requests(times));
    }
}

fn change_tokens(run: &mut Run, change: impl Fn(&mut Vec<u64>)) {
    let mut times = token_times(run);
    times.iter_mut().filter(|times| times.len() > 1).for_each(change);
    set_token_times(run, &times);
}

/// Lets the gaps behind the first token take `share` of their time.
fn stretch(times: &mut [u64], share: f64) {
    let Some(&first) = times.first() else { return };
    for time in times {
        *time = first + ((*time - first) as f64 * share).round() as u64;
    }
}

fn scale_latencies(run: &mut Run, share: f64) {
    let mut times = token_times(run);
    for (request, times) in run.requests.iter().zip(&mut times) {
        let later = |time: u64| ((time - request.arrival_ns) as f64 * share).round() as u64;
        times.iter_mut().for_each(|time| *time = request.arrival_ns + later(*time));
    }
    if let Some(gaps) = &mut run.gaps {
        gaps.percentiles_ns.iter_mut().for_each(|ns| *ns *= share);
    }
    set_token_times(run, &times);
}

/// Deals all gaps out anew, the longest to the request that has least so far: the pooled gaps stay as they
/// are, while slow and fast requests become alike.
fn compress_totals(run: &mut Run) {
    let mut times = token_times(run);
    let mut gaps: Vec<u64> =
        times.iter().flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0])).collect();
    gaps.sort_unstable();
    // Requests that lack gaps, by the mean of those that they have, smallest first.
    let lacking = (0..times.len()).filter(|&request| times[request].len() > 1);
    let mut lacking: BinaryHeap<Reverse<(u64, usize)>> =
        lacking.map(|request| Reverse((0, request))).collect();
    let mut dealt: Vec<Vec<u64>> = vec![Vec::new(); times.len()];
    while let (Some(Reverse((_, request))), Some(gap)) = (lacking.pop(), gaps.pop()) {
        let dealt = &mut dealt[request];
        dealt.push(gap);
        if dealt.len() + 1 < times[request].len() {
            let mean = dealt.iter().sum::<u64>() / dealt.len() as u64;
            lacking.push(Reverse((mean, request)));
        }
    }
    for (times, gaps) in times.iter_mut().zip(dealt) {
        let mut at = times.first().copied().unwrap_or_default();
        for (time, gap) in times.iter_mut().skip(1).zip(gaps) {
            at += gap;
            *time = at;
        }
    }
    set_token_times(run, &times);
}

/// The two requests, of those with equally many tokens, whose times differ most; where no two have equally many,
/// the first and the last.
fn swapped_pair(run: &Run) -> Option<(usize, usize)> {
    let took = |index: usize| {
        let request = &run.requests[index];
        request.completion_ns.map_or(0, |end| end - request.arrival_ns)
    };
    let done = |&index: &usize| run.requests[index].status == Status::Ok;
    let mut order: Vec<usize> = (0..run.requests.len()).filter(done).collect();
    let ends = Some((*order.first()?, *order.last()?)).filter(|(a, b)| a != b);
    order.sort_by_key(|&index| (run.requests[index].decode_tokens_actual, took(index)));
    let alike = order.chunk_by(|&a, &b| {
        run.requests[a].decode_tokens_actual == run.requests[b].decode_tokens_actual
    });
    let pairs =
        alike.filter(|group| group.len() > 1).map(|group| (group[0], group[group.len() - 1]));
    pairs.max_by_key(|&(fast, slow)| took(slow) - took(fast)).or(ends)
}

fn swap(run: &mut Run, a: usize, b: usize) {
    let mut times = token_times(run);
    let arrival = |index: usize| run.requests[index].arrival_ns;
    let moved = |from: usize, to: usize| -> Vec<u64> {
        times[from].iter().map(|time| time - arrival(from) + arrival(to)).collect()
    };
    let (of_a, of_b) = (moved(b, a), moved(a, b));
    (times[a], times[b]) = (of_a, of_b);
    set_token_times(run, &times);
}

fn shift(run: &mut Run, index: usize) {
    let mut times = token_times(run);
    let (Some(request), Some(times_of_it)) = (run.requests.get_mut(index), times.get_mut(index))
    else {
        return;
    };
    request.arrival_ns += SHIFT_NS;
    times_of_it.iter_mut().for_each(|time| *time += SHIFT_NS);
    set_token_times(run, &times);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(requests: &[(u64, Vec<u64>)]) -> Run {
        let record = |(id, (arrival_ns, times)): (usize, &(u64, Vec<u64>))| RequestRecord {
            request_id: id as u64,
            arrival_ns: *arrival_ns,
            first_token_ns: times.first().copied(),
            completion_ns: times.last().copied(),
            decode_tokens: times.len() as u32,
            decode_tokens_actual: times.len() as u32,
            ..RequestRecord::default()
        };
        Run {
            requests: requests.iter().enumerate().map(record).collect(),
            tokens: Some(TokenTimes::from_requests(requests.iter().map(|(_, times)| times))),
            ..Run::default()
        }
    }

    fn faulty(fault: ResultFault, mut run: Run) -> Run {
        fault.apply(std::slice::from_mut(&mut run));
        run
    }

    fn three() -> Run {
        run(&[(0, vec![10, 20, 30]), (5, vec![15, 45, 95]), (9, vec![19, 29])])
    }

    fn times(run: &Run) -> Vec<Vec<u64>> {
        (0..run.requests.len()).map(|i| run.tokens.as_ref().unwrap().of(i).to_vec()).collect()
    }

    #[test]
    fn each_fault_changes_what_its_name_says() {
        let short = faulty(ResultFault::DecodeShort, three());
        assert_eq!(times(&short), [vec![10, 20], vec![15, 45], vec![19]]);
        assert_eq!(short.requests[1].completion_ns, Some(45));
        let longer = faulty(ResultFault::Gaps(110), three());
        assert_eq!(times(&longer), [vec![10, 21, 32], vec![15, 48, 103], vec![19, 30]]);
        let later = faulty(ResultFault::Latencies(200), three());
        assert_eq!(times(&later), [vec![20, 40, 60], vec![25, 85, 185], vec![29, 49]]);
        let divided = faulty(ResultFault::TpotByTokens, three());
        assert_eq!(times(&divided)[0], [10, 17, 23]);
        assert_eq!(times(&divided)[2], [19, 24]);
        let swapped = faulty(ResultFault::Swapped, three());
        assert_eq!(times(&swapped), [vec![10, 40, 90], vec![15, 25, 35], vec![19, 29]]);
        let shifted = faulty(ResultFault::ArrivalShifted, three());
        assert_eq!(shifted.requests[1].arrival_ns, 1_000_005);
        let lost = faulty(ResultFault::RequestLost, three());
        assert_eq!(lost.requests[1].status, Status::Failed);
    }

    #[test]
    fn results_without_token_times_change_in_what_they_have() {
        let bare = || Run { tokens: None, ..three() };
        let short = faulty(ResultFault::DecodeShort, bare());
        assert_eq!(short.requests[0].completion_ns, Some(20));
        assert!(short.tokens.is_none());
        let longer = faulty(ResultFault::Gaps(110), bare());
        assert_eq!(longer.requests[1].completion_ns, Some(103));
    }

    proptest! {
        #[test]
        fn compressed_totals_keep_the_pooled_gaps_and_swapped_results_keep_all_latencies(
            lists in prop::collection::vec((0_u64..1000, prop::collection::vec(1_u64..100, 1..12)), 2..20)
        ) {
            let cumulated: Vec<(u64, Vec<u64>)> = lists
                .iter()
                .map(|(arrival, gaps)| {
                    let times = gaps.iter().scan(*arrival, |at, gap| { *at += gap; Some(*at) });
                    (*arrival, times.collect())
                })
                .collect();
            let gaps = |run: &Run| {
                let mut all: Vec<u64> = times(run)
                    .iter()
                    .flat_map(|times| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>())
                    .collect();
                all.sort_unstable();
                all
            };
            let latencies = |run: &Run| {
                let took = |r: &RequestRecord| r.completion_ns.unwrap() - r.arrival_ns;
                let mut all: Vec<u64> = run.requests.iter().map(took).collect();
                all.sort_unstable();
                all
            };
            let before = run(&cumulated);
            let compressed = faulty(ResultFault::TotalsCompressed, before.clone());
            prop_assert_eq!(gaps(&before), gaps(&compressed));
            let swapped = faulty(ResultFault::Swapped, before.clone());
            prop_assert_eq!(gaps(&before), gaps(&swapped));
            prop_assert_eq!(latencies(&before), latencies(&swapped));
        }
    }
}
