//! `token_metrics.csv`: one row a token, and the token times of a run in memory.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use super::RequestRecord;
use crate::files::{Column, FileError, Row, Table, TableWriter};

const COLUMNS: [&str; 5] =
    ["request_id", "token_index", "token_time_ns", "token_latency_ns", "token_id"];

/// Token times of all requests of a run. All tokens of a step share its time, so requests say which times are theirs:
/// 16 bytes a span of tokens at even distances, and 8 bytes a time.
#[derive(Debug, Clone, Default)]
pub struct TokenTimes {
    /// Of steps, or of the tokens of one request after another.
    times_ns: Vec<u64>,
    /// Request by request, each one's in order.
    spans: Vec<Span>,
    /// Request `i` of the run owns `spans[offsets[i]..offsets[i + 1]]`.
    offsets: Vec<u32>,
    /// Request by request; empty when unknown.
    ids: Vec<u32>,
    /// Request `i` owns `ids[id_offsets[i]..id_offsets[i + 1]]`; empty when unknown.
    id_offsets: Vec<usize>,
}

/// Times at even distances in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Place of the first.
    pub first: usize,
    /// How many there are.
    pub count: u32,
    /// From one to the next.
    pub stride: u32,
}

impl Span {
    /// Place of the last one.
    pub fn last(self) -> usize {
        self.first + (self.count.saturating_sub(1) as usize) * self.stride as usize
    }

    /// Takes `more` in, which lies behind it; `false`, and nothing taken, when the distances differ.
    pub fn grow(&mut self, more: Self) -> bool {
        if self.count == 0 {
            *self = more;
            return true;
        }
        let distance = more.first - self.last();
        let stride = if self.count == 1 { distance } else { self.stride as usize };
        let fits = distance == stride && (more.count == 1 || more.stride as usize == stride);
        if fits {
            self.stride = stride as u32;
            self.count += more.count;
        }
        fits
    }
}

impl PartialEq for TokenTimes {
    /// Whether the times and ids are the same, however they are held.
    fn eq(&self, other: &Self) -> bool {
        self.ids == other.ids && self.has_times_of(other)
    }
}

impl Eq for TokenTimes {}

/// A request with fewer or more token times than it has tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incomplete {
    /// Its id.
    pub request_id: u64,
    /// Times in the run.
    pub found: usize,
    /// Tokens it got.
    pub expected: u32,
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_id, found, expected } = self;
        write!(f, "request {request_id} has {found} of its {expected} token times")
    }
}

impl TokenTimes {
    /// Collects times request by request.
    pub fn from_requests<I: AsRef<[u64]>>(requests: impl IntoIterator<Item = I>) -> Self {
        let mut tokens = Self { offsets: vec![0], ..Self::default() };
        for times in requests {
            let times = times.as_ref();
            if !times.is_empty() {
                let (first, count) = (tokens.times_ns.len(), times.len() as u32);
                tokens.spans.push(Span { first, count, stride: 1 });
                tokens.times_ns.extend_from_slice(times);
            }
            tokens.offsets.push(tokens.spans.len() as u32);
        }
        tokens
    }

    /// Times of steps, the spans of tokens that they gave, request by request, and where each request's spans begin
    /// and end: one offset more than requests.
    pub(super) fn from_spans(times_ns: Vec<u64>, spans: Vec<Span>, offsets: Vec<u32>) -> Self {
        Self { times_ns, spans, offsets, ..Self::default() }
    }

    /// Puts the requests of several runs together: in `order`, the run and its request.
    #[must_use]
    pub fn gather(parts: &[Self], order: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut gathered = Self { offsets: vec![0], ..Self::default() };
        let mut begin = Vec::with_capacity(parts.len());
        for part in parts {
            begin.push(gathered.times_ns.len());
            gathered.times_ns.extend_from_slice(&part.times_ns);
        }
        let mut ids = Vec::new();
        for (part, index) in order {
            let spans = parts[part].spans_of(index).iter();
            gathered
                .spans
                .extend(spans.map(|span| Span { first: span.first + begin[part], ..*span }));
            gathered.offsets.push(gathered.spans.len() as u32);
            ids.extend_from_slice(parts[part].ids_of(index));
        }
        gathered.with_ids(ids)
    }

    /// Adds the ids of all tokens, request by request.
    ///
    /// Ids of another number than the times are dropped: they could not be told apart.
    #[must_use]
    pub fn with_ids(mut self, ids: Vec<u32>) -> Self {
        (self.ids, self.id_offsets) = (Vec::new(), Vec::new());
        if ids.len() == self.len() && !ids.is_empty() {
            let mut end = 0;
            let ends = (0..self.requests()).map(|i| {
                end += self.count(i);
                end
            });
            self.id_offsets = std::iter::once(0).chain(ends).collect();
            self.ids = ids;
        }
        self
    }

    /// Requests that there are times of.
    pub fn requests(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether all times are those of `other`, whatever the ids.
    pub fn has_times_of(&self, other: &Self) -> bool {
        let same = |i| self.iter(i).eq(other.iter(i));
        self.requests() == other.requests() && (0..self.requests()).all(same)
    }

    /// Tokens in all.
    pub fn len(&self) -> usize {
        self.spans.iter().map(|span| span.count as usize).sum()
    }

    /// Times that tokens share: as many as there were steps, where steps gave them.
    pub fn distinct(&self) -> usize {
        self.times_ns.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    fn spans_of(&self, index: usize) -> &[Span] {
        &self.spans[self.offsets[index] as usize..self.offsets[index + 1] as usize]
    }

    /// Tokens of the run's request number `index`.
    pub fn count(&self, index: usize) -> usize {
        self.spans_of(index).iter().map(|span| span.count as usize).sum()
    }

    /// First and last time of the run's request number `index`; `None` without a token.
    pub fn ends(&self, index: usize) -> Option<(u64, u64)> {
        let spans = self.spans_of(index);
        let (first, last) = (spans.first()?, spans.last()?);
        Some((self.times_ns[first.first], self.times_ns[last.last()]))
    }

    /// Times of the run's request number `index`, ascending.
    pub fn iter(&self, index: usize) -> impl Iterator<Item = u64> + Clone {
        self.spans_of(index).iter().flat_map(|span| {
            let times = self.times_ns[span.first..].iter().step_by(span.stride.max(1) as usize);
            times.take(span.count as usize).copied()
        })
    }

    /// Times of the run's request number `index`, ascending.
    pub fn of(&self, index: usize) -> Cow<'_, [u64]> {
        match self.spans_of(index) {
            [] => Cow::Borrowed(&[]),
            [span] if span.stride == 1 => Cow::Borrowed(&self.times_ns[span.first..=span.last()]),
            _ => Cow::Owned(self.iter(index).collect()),
        }
    }

    /// Token ids of the run's request number `index`; empty when unknown.
    pub fn ids_of(&self, index: usize) -> &[u32] {
        if self.ids.is_empty() {
            return &[];
        }
        &self.ids[self.id_offsets[index]..self.id_offsets[index + 1]]
    }

    /// The first request whose times are not as many as its tokens.
    pub fn incomplete(&self, requests: &[RequestRecord]) -> Option<Incomplete> {
        requests.iter().enumerate().find_map(|(i, request)| {
            let (found, expected) = (self.count(i), request.decode_tokens_actual);
            (found != expected as usize).then_some(Incomplete {
                request_id: request.request_id,
                found,
                expected,
            })
        })
    }
}

struct Columns {
    request: Column,
    index: Column,
    time: Column,
    latency: Column,
    id: Option<Column>,
}

/// The growing list of one request's tokens while a file is read.
#[derive(Default, Clone)]
struct Growing {
    times: Vec<u64>,
    ids: Vec<u32>,
}

/// Reads the times of `requests`, which ascend by id. The requests may interleave in the file.
pub(super) fn read(path: &Path, requests: &[RequestRecord]) -> Result<TokenTimes, FileError> {
    let table = Table::open(path)?;
    let columns = Columns {
        request: table.column(COLUMNS[0])?,
        index: table.column(COLUMNS[1])?,
        time: table.column(COLUMNS[2])?,
        latency: table.column(COLUMNS[3])?,
        id: table.optional(COLUMNS[4]),
    };
    let mut growing = vec![Growing::default(); requests.len()];
    for (tokens, request) in growing.iter_mut().zip(requests) {
        // Reserved from the request's own count, but never on the word of a corrupt one.
        tokens.times.reserve(request.decode_tokens_actual.min(4096) as usize);
    }
    let mut current = 0;
    table.for_each::<FileError>(|row| {
        let id = row.u64(columns.request)?;
        if requests.get(current).is_none_or(|r| r.request_id != id) {
            current = requests.binary_search_by_key(&id, |r| r.request_id).map_err(|_| {
                row.problem(columns.request, format!("request {id} is not in request_metrics.csv"))
            })?;
        }
        push(&row, &columns, &requests[current], &mut growing[current])
    })?;
    let tokens = TokenTimes::from_requests(growing.iter().map(|g| &g.times));
    Ok(tokens.with_ids(growing.into_iter().flat_map(|g| g.ids).collect()))
}

fn push(
    row: &Row<'_>,
    columns: &Columns,
    request: &RequestRecord,
    tokens: &mut Growing,
) -> Result<(), FileError> {
    let index = row.u64(columns.index)?;
    let expected = tokens.times.len() as u64;
    if index != expected {
        return Err(row.problem(
            columns.index,
            format!("token {index} of request {}, expected token {expected}: tokens stand in order, from 0", request.request_id),
        ));
    }
    let time = row.u64(columns.time)?;
    let latency = row.u64(columns.latency)?;
    let before = tokens.times.last().copied();
    match before {
        Some(before) if time < before => {
            return Err(row.problem(
                columns.time,
                format!("{time} lies before the request's previous token, {before}"),
            ));
        }
        None if time < request.arrival_ns => {
            return Err(row.problem(
                columns.time,
                format!("{time} lies before the request's arrival, {}", request.arrival_ns),
            ));
        }
        None if request.first_token_ns != Some(time) => {
            let first =
                request.first_token_ns.map_or_else(|| "empty".to_owned(), |t| t.to_string());
            return Err(row.problem(
                columns.time,
                format!("{time}, but request_metrics.csv has first_token_time_ns {first}"),
            ));
        }
        _ => {}
    }
    if request.completion_ns.is_some_and(|end| time > end) {
        return Err(
            row.problem(columns.time, format!("{time} lies after the request's completion"))
        );
    }
    let gap = before.map_or(0, |before| time - before);
    if latency != gap {
        return Err(row.problem(
            columns.latency,
            format!("{latency}, but the gap to the request's previous token is {gap}"),
        ));
    }
    tokens.times.push(time);
    if let Some(column) = columns.id
        && !row.is_empty(column)
    {
        tokens.ids.push(row.u32(column)?);
    }
    Ok(())
}

/// The file's content.
pub(super) fn table(tokens: &TokenTimes, requests: &[RequestRecord]) -> TableWriter {
    let mut table = TableWriter::new(&COLUMNS);
    for (i, request) in requests.iter().enumerate() {
        let (times, ids) = (tokens.of(i), tokens.ids_of(i));
        for (index, &time) in times.iter().enumerate() {
            let gap = if index == 0 { 0 } else { time - times[index - 1] };
            table.row(&[
                request.request_id.to_string(),
                index.to_string(),
                time.to_string(),
                gap.to_string(),
                ids.get(index).map_or_else(String::new, u32::to_string),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<RequestRecord> {
        [(0, 0), (1, 100)]
            .map(|(request_id, arrival_ns)| RequestRecord {
                request_id,
                arrival_ns,
                first_token_ns: Some(arrival_ns + 10),
                completion_ns: Some(arrival_ns + 50),
                decode_tokens: 2,
                decode_tokens_actual: 2,
                ..RequestRecord::default()
            })
            .to_vec()
    }

    fn parse(rows: &str) -> Result<TokenTimes, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token_metrics.csv");
        let header = "request_id,token_index,token_time_ns,token_latency_ns";
        std::fs::write(&path, format!("{header}\n{rows}")).unwrap();
        read(&path, &requests()).map_err(|e| e.to_string())
    }

    #[test]
    fn requests_may_interleave() {
        let tokens = parse("0,0,10,0\n1,0,110,0\n0,1,30,20\n1,1,140,30\n").unwrap();
        assert_eq!(*tokens.of(0), [10, 30]);
        assert_eq!(*tokens.of(1), [110, 140]);
        assert_eq!(tokens.incomplete(&requests()), None);
    }

    #[test]
    fn a_request_with_too_few_times_is_named() {
        let tokens = parse("0,0,10,0\n0,1,30,20\n1,0,110,0\n").unwrap();
        let found = tokens.incomplete(&requests()).unwrap().to_string();
        assert_eq!(found, "request 1 has 1 of its 2 token times");
    }

    #[test]
    fn each_fault_names_its_row_and_column() {
        for (rows, expected) in [
            (
                "0,1,10,0\n",
                ":2: column `token_index`: token 1 of request 0, expected token 0: tokens stand in order, from 0",
            ),
            ("1,0,99,0\n", ":2: column `token_time_ns`: 99 lies before the request's arrival, 100"),
            (
                "0,0,11,0\n",
                ":2: column `token_time_ns`: 11, but request_metrics.csv has first_token_time_ns 10",
            ),
            (
                "0,0,10,0\n0,1,9,0\n",
                ":3: column `token_time_ns`: 9 lies before the request's previous token, 10",
            ),
            (
                "0,0,10,0\n0,1,51,41\n",
                ":3: column `token_time_ns`: 51 lies after the request's completion",
            ),
            (
                "0,0,10,0\n0,1,30,21\n",
                ":3: column `token_latency_ns`: 21, but the gap to the request's previous token is 20",
            ),
            ("7,0,10,0\n", ":2: column `request_id`: request 7 is not in request_metrics.csv"),
        ] {
            let message = parse(rows).unwrap_err();
            assert!(message.ends_with(expected), "{message}");
        }
    }
}
