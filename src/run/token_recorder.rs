//! Records which step gave which request its tokens. A request that decodes gets a token in every step, so what is kept
//! is where such spans begin and how long they are: nothing grows with the tokens but the spans' counts.

use super::token_times::{Span, TokenTimes};

/// Tokens of requests `0..n` as steps give them.
#[derive(Debug, Clone, Default)]
pub struct TokenRecorder {
    /// When each step ended, ns.
    ends_ns: Vec<u64>,
    /// The span of each request that may still grow.
    open: Vec<Span>,
    /// Spans that are complete, by request; those of one request in order.
    closed: Vec<(u32, Span)>,
}

impl TokenRecorder {
    /// Adds a request, whose number is how many there were.
    pub fn add_request(&mut self) {
        self.open.push(Span::default());
    }

    /// Says that the next step ended.
    pub fn end_step(&mut self, end_ns: u64) {
        self.ends_ns.push(end_ns);
    }

    /// Steps that have ended.
    pub fn steps(&self) -> usize {
        self.ends_ns.len()
    }

    /// Says that the last step gave `request` a token.
    pub fn token(&mut self, request: usize) {
        let step = self.ends_ns.len().saturating_sub(1);
        self.tokens(request, step, 1);
    }

    /// Says that `count` steps in a row, from number `first` on, gave `request` a token each.
    pub fn tokens(&mut self, request: usize, first: usize, count: u32) {
        let more = Span { first, count, stride: 1 };
        let open = &mut self.open[request];
        if !open.grow(more) {
            self.closed.push((request as u32, *open));
            *open = more;
        }
    }

    /// The token times of all requests, in their order.
    pub fn finish(self) -> TokenTimes {
        let mut offsets = vec![0_u32; self.open.len() + 1];
        for (request, _) in &self.closed {
            offsets[*request as usize + 1] += 1;
        }
        for (request, open) in self.open.iter().enumerate() {
            offsets[request + 1] += u32::from(open.count > 0);
        }
        for i in 1..offsets.len() {
            offsets[i] += offsets[i - 1];
        }
        let mut spans = vec![Span::default(); offsets.last().map_or(0, |&n| n as usize)];
        let mut next = offsets.clone();
        let open = self.open.iter().enumerate().map(|(request, &span)| (request as u32, span));
        for (request, span) in self.closed.iter().copied().chain(open.filter(|o| o.1.count > 0)) {
            let place = &mut next[request as usize];
            spans[*place as usize] = span;
            *place += 1;
        }
        TokenTimes::from_spans(self.ends_ns, spans, offsets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_token_has_the_end_of_its_step(
            steps in prop::collection::vec((1_u64..50, prop::collection::vec(any::<bool>(), 3)), 0..80)
        ) {
            let (mut recorder, mut expected) = (TokenRecorder::default(), vec![Vec::new(); 3]);
            (0..3).for_each(|_| recorder.add_request());
            let mut now = 0;
            for (ns, got) in steps {
                now += ns;
                recorder.end_step(now);
                for request in (0..3).filter(|&r| got[r]) {
                    recorder.token(request);
                    expected[request].push(now);
                }
            }
            let tokens = recorder.finish();
            for (request, times) in expected.iter().enumerate() {
                prop_assert_eq!(&tokens.of(request)[..], &times[..]);
                let ends = times.first().copied().zip(times.last().copied());
                prop_assert_eq!(tokens.ends(request), ends);
            }
            prop_assert_eq!(tokens, TokenTimes::from_requests(&expected));
        }
    }

    #[test]
    fn tokens_at_even_distances_take_one_span() {
        let mut recorder = TokenRecorder::default();
        recorder.add_request();
        (0..100).for_each(|i| recorder.end_step(10 * i));
        recorder.tokens(0, 3, 40);
        assert!(recorder.closed.is_empty());
        recorder.tokens(0, 44, 1);
        recorder.tokens(0, 46, 1);
        recorder.tokens(0, 48, 1);
        assert_eq!(recorder.closed.len(), 1);
    }
}
