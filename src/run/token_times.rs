//! The times of a run's tokens in memory.

use std::borrow::Cow;
use std::fmt;

use super::RequestRecord;

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
