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
        let (pair, one) = (swapped_pair(first), middle(first));
        for run in runs {
            let mut lives: Vec<Option<Life>> = lives(run);
            match self {
                Self::DecodeShort => {
                    each(&mut lives, |life| life.times.truncate(life.times.len() - 1))
                }
                Self::TpotByTokens => {
                    keep_percentiles(run, |n| (n - 1.0) / n);
                    each(&mut lives, |life| {
                        let n = life.times.len() as f64;
                        life.stretch((n - 1.0) / n);
                    });
                }
                Self::Gaps(percent) => {
                    let share = f64::from(percent) / 100.0;
                    keep_percentiles(run, |_| share);
                    each(&mut lives, |life| life.stretch(share));
                }
                Self::Latencies(percent) => {
                    let share = f64::from(percent) / 100.0;
                    keep_percentiles(run, |_| share);
                    lives.iter_mut().flatten().for_each(|life| life.scale(share));
                }
                Self::TotalsCompressed => compress_totals(&mut lives),
                Self::Swapped => {
                    if let Some((a, b)) = pair {
                        lives.swap(a, b);
                    }
                }
                Self::ArrivalShifted => {
                    if let Some(request) = one.and_then(|one| run.requests.get_mut(one)) {
                        request.arrival_ns += SHIFT_NS;
                    }
                }
                Self::RequestLost => {
                    if let Some(request) = one.and_then(|one| run.requests.get_mut(one)) {
                        request.status = Status::Failed;
                    }
                }
            }
            put_back(run, &lives);
        }
    }
}

/// What a request got, ns since its arrival.
#[derive(Debug, Clone, PartialEq)]
struct Life {
    /// Its tokens; where their times are not known, as many as it got, evenly between first and last.
    times: Vec<u64>,
    /// From its last token to its completion.
    tail: u64,
}

impl Life {
    /// Lets the gaps behind the first token take `share` of their time.
    fn stretch(&mut self, share: f64) {
        let Some(&first) = self.times.first() else { return };
        for time in &mut self.times {
            *time = first + scaled(*time - first, share);
        }
    }

    /// Lets everything take `share` of its time.
    fn scale(&mut self, share: f64) {
        self.times.iter_mut().for_each(|time| *time = scaled(*time, share));
        self.tail = scaled(self.tail, share);
    }
}

fn scaled(ns: u64, share: f64) -> u64 {
    (ns as f64 * share).round() as u64
}

/// What every request got; `None` for one without a token, or without an end.
fn lives(run: &Run) -> Vec<Option<Life>> {
    let life = |(index, request): (usize, &RequestRecord)| {
        let (first, end) = (request.first_token_ns?, request.completion_ns?);
        let times: Vec<u64> = match run.tokens.as_ref().map(|tokens| tokens.of(index)) {
            Some(times) if !times.is_empty() => times.to_vec(),
            _ => {
                let gaps = u64::from(request.decode_tokens_actual.max(1) - 1);
                let last = if gaps == 0 { first } else { end };
                (0..=gaps).map(|token| first + (last - first) * token / gaps.max(1)).collect()
            }
        };
        let tail = end - times.last().copied().unwrap_or(end);
        let times = times.iter().map(|time| time - request.arrival_ns).collect();
        Some(Life { times, tail })
    };
    run.requests.iter().enumerate().map(life).collect()
}

/// Takes over what requests got, each since its own arrival.
fn put_back(run: &mut Run, lives: &[Option<Life>]) {
    for (request, life) in run.requests.iter_mut().zip(lives) {
        let Some(Life { times, tail }) = life else { continue };
        let at = |ns: &u64| request.arrival_ns + ns;
        request.first_token_ns = times.first().map(at);
        request.completion_ns = times.last().map(|last| at(last) + tail);
        request.decode_tokens_actual = times.len() as u32;
    }
    if run.tokens.is_some() {
        let absolute = |(request, life): (&RequestRecord, &Option<Life>)| -> Vec<u64> {
            let times = life.iter().flat_map(|life| &life.times);
            times.map(|time| request.arrival_ns + time).collect()
        };
        let times: Vec<Vec<u64>> = run.requests.iter().zip(lives).map(absolute).collect();
        run.tokens = Some(TokenTimes::from_requests(&times));
    }
}

/// Changes every request that has a gap.
fn each(lives: &mut [Option<Life>], change: impl Fn(&mut Life)) {
    lives.iter_mut().flatten().filter(|life| life.times.len() > 1).for_each(change);
}

/// Where only percentiles of gaps are kept: lets them take the share that requests of the mean length would.
fn keep_percentiles(run: &mut Run, share: impl Fn(f64) -> f64) {
    let tokens: u64 = run.requests.iter().map(|r| u64::from(r.decode_tokens_actual)).sum();
    let mean = tokens as f64 / run.requests.len().max(1) as f64;
    if let Some(gaps) = &mut run.gaps {
        gaps.percentiles_ns.iter_mut().for_each(|ns| *ns *= share(mean));
    }
}

/// Deals all gaps out anew, the longest to the request that has least so far: the pooled gaps stay as they
/// are, while slow and fast requests become alike.
fn compress_totals(lives: &mut [Option<Life>]) {
    let of = |life: &Life| -> Vec<u64> { life.times.windows(2).map(|w| w[1] - w[0]).collect() };
    let mut gaps: Vec<u64> = lives.iter().flatten().flat_map(of).collect();
    gaps.sort_unstable();
    let wanted: Vec<usize> =
        lives.iter().map(|life| life.as_ref().map_or(0, |life| life.times.len() - 1)).collect();
    // Requests that lack gaps, by the mean of those that they have, smallest first.
    let lacking = (0..lives.len()).filter(|&request| wanted[request] > 0);
    let mut lacking: BinaryHeap<Reverse<(u64, usize)>> =
        lacking.map(|request| Reverse((0, request))).collect();
    let mut dealt: Vec<Vec<u64>> = vec![Vec::new(); lives.len()];
    while let (Some(Reverse((_, request))), Some(gap)) = (lacking.pop(), gaps.pop()) {
        let dealt = &mut dealt[request];
        dealt.push(gap);
        if dealt.len() < wanted[request] {
            let mean = dealt.iter().sum::<u64>() / dealt.len() as u64;
            lacking.push(Reverse((mean, request)));
        }
    }
    for (life, gaps) in lives.iter_mut().zip(dealt) {
        let Some(life) = life else { continue };
        let mut at = life.times.first().copied().unwrap_or_default();
        for (time, gap) in life.times.iter_mut().skip(1).zip(gaps) {
            at += gap;
            *time = at;
        }
    }
}

/// A request that is `ok`, from the middle on.
fn middle(run: &Run) -> Option<usize> {
    let n = run.requests.len();
    (0..n).map(|i| (n / 2 + i) % n).find(|&i| run.requests[i].status == Status::Ok)
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
        assert_eq!(times(&shifted)[1], [1_000_015, 1_000_045, 1_000_095]);
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

    #[test]
    fn what_comes_behind_the_last_token_stays_and_requests_without_tokens_are_left_alone() {
        let late = |tail: u64| {
            let mut run = three();
            run.requests[0].completion_ns = Some(30 + tail);
            run.requests[2] = RequestRecord { request_id: 2, ..RequestRecord::default() };
            run.tokens =
                Some(TokenTimes::from_requests([vec![10, 20, 30], vec![15, 45, 95], vec![]]));
            run
        };
        // A fault of nothing is nothing.
        assert_eq!(faulty(ResultFault::Gaps(100), late(7)), late(7));
        assert_eq!(faulty(ResultFault::Latencies(100), late(7)), late(7));
        let longer = faulty(ResultFault::Gaps(110), late(100));
        assert_eq!(longer.requests[0].completion_ns, Some(132));
        let later = faulty(ResultFault::Latencies(200), late(100));
        assert_eq!(later.requests[0].completion_ns, Some(260));
        assert_eq!(later.requests[2], late(100).requests[2]);
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
