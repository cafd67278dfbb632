//! A simulator in thirty lines, to be gated: one request at a time, a fixed cost for each prompt
//! token and each step.

/// A request: when it arrives (ns), its prompt tokens and its output tokens.
pub type Request = (u64, u32, u32);

/// A machine that serves one request at a time.
pub struct Simulator {
    /// Time before the first token of any prompt, ns.
    pub launch_ns: u64,
    /// Time for each prompt token, ns.
    pub prompt_token_ns: u64,
    /// Time for each further output token, ns.
    pub step_ns: u64,
}

impl Simulator {
    /// When each output token of each request comes, ns.
    pub fn serve(&self, requests: impl IntoIterator<Item = Request>) -> Vec<Vec<u64>> {
        let mut free_at = 0;
        let serve = |(arrival, prompt, output): Request| {
            let prefill = self.launch_ns + self.prompt_token_ns * u64::from(prompt);
            let first = free_at.max(arrival) + prefill;
            let tokens = (0..u64::from(output)).map(|k| first + k * self.step_ns);
            let tokens: Vec<u64> = tokens.collect();
            free_at = tokens.last().copied().unwrap_or(first);
            tokens
        };
        requests.into_iter().map(serve).collect()
    }
}
