//! What a run from memory may get wrong; a run from files is checked row by row while it is read.

use super::{Run, Status, TokenTimes};

/// The first contradiction in a run.
pub fn fault(run: &Run) -> Option<String> {
    let lists = run.tokens.as_ref().map_or(run.requests.len(), TokenTimes::requests);
    if lists != run.requests.len() {
        return Some(format!("it has {} requests but token times of {lists}", run.requests.len()));
    }
    run.requests.iter().enumerate().find_map(|(i, request)| {
        let id = request.request_id;
        let times = run.tokens.as_ref().map(|tokens| tokens.of(i)).unwrap_or_default();
        if request.first_token_ns.is_some_and(|first| first < request.arrival_ns) {
            return Some(format!("the first token of request {id} lies before its arrival"));
        }
        if request.status == Status::Ok && request.completion_ns.is_none() {
            return Some(format!("request {id} is `ok` but was never complete"));
        }
        if request.status == Status::Ok
            && request.first_token_ns.is_none()
            && request.decode_tokens_actual > 0
        {
            return Some(format!("request {id} is `ok` and has tokens, but no first token time"));
        }
        let last = times.last().copied().or(request.first_token_ns);
        if request.completion_ns.is_some_and(|end| end < last.unwrap_or(request.arrival_ns)) {
            return Some(format!("request {id} was complete before its last token or its arrival"));
        }
        if run.tokens.is_some() && times.len() != request.decode_tokens_actual as usize {
            let (found, expected) = (times.len(), request.decode_tokens_actual);
            return Some(format!("request {id} has {found} of its {expected} token times"));
        }
        if !times.is_sorted() {
            return Some(format!("token times of request {id} do not ascend"));
        }
        if !times.is_empty() && times.first() != request.first_token_ns.as_ref() {
            return Some(format!("request {id} has a first token time unlike its first token's"));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RequestRecord;

    fn run(times: Vec<u64>) -> Run {
        let request = RequestRecord {
            arrival_ns: 5,
            first_token_ns: times.first().copied(),
            completion_ns: times.last().copied(),
            decode_tokens: 2,
            decode_tokens_actual: 2,
            ..RequestRecord::default()
        };
        let tokens = Some(TokenTimes::from_requests([times]));
        Run { requests: vec![request], tokens, ..Run::default() }
    }

    #[test]
    fn each_contradiction_is_named() {
        assert_eq!(fault(&run(vec![10, 20])), None);
        for (times, expected) in [
            (vec![4, 20], "before its arrival"),
            (vec![20, 10], "do not ascend"),
            (vec![10], "has 1 of its 2 token times"),
            (vec![], "was never complete"),
        ] {
            let message = fault(&run(times)).unwrap();
            assert!(message.contains(expected), "{message}");
        }
    }
}
