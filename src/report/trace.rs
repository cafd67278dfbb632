//! The steps of both sides as one trace that Perfetto and Chrome open (Google's Trace Event Format): a process a
//! side; its steps with the host's spans inside them, the GPU where it was timed, and the batch as a counter.

use serde_json::{Value, json};

use crate::run::{Run, StepRecord};

/// The trace of both sides, each beginning at 0.
pub fn trace(title: &str, sides: &[(&str, &Run)]) -> Value {
    let mut events = Vec::new();
    for (pid, (name, run)) in (1_u32..).zip(sides) {
        let named = |what: &str, tid: u32, name: &str| json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } });
        events.push(named("process_name", 0, name));
        events.push(named("thread_name", 1, "host"));
        if run.steps.iter().any(|step| step.gpu_ns.is_some()) {
            events.push(named("thread_name", 2, "GPU"));
        }
        run.steps.iter().for_each(|step| add_step(&mut events, pid, step));
    }
    json!({ "displayTimeUnit": "ms", "otherData": { "title": title }, "traceEvents": events })
}

fn add_step(events: &mut Vec<Value>, pid: u32, step: &StepRecord) {
    let slice = |tid: u32, name: &str, from: u64, to: u64, args: Value| {
        json!({
            "ph": "X", "name": name, "pid": pid, "tid": tid,
            "ts": us(from), "dur": us(to - from), "args": args,
        })
    };
    let end = step.end_ns + step.post_ns;
    let about = json!({
        "step": step.step,
        "prefill_tokens": step.prefill_tokens,
        "decode_sequences": step.decode_sequences,
        "kv_tokens": step.kv_tokens,
        "bucket": step.bucket.as_deref().unwrap_or_default(),
        "idle_before_us": us(step.idle_before_ns),
    });
    events.push(slice(1, "step", step.start_ns, end, about));
    let spans = [
        ("schedule", step.schedule_ns),
        ("prepare", step.prepare_ns),
        ("launch", step.launch_ns),
        ("wait", step.wait_ns),
    ];
    let mut at = step.start_ns;
    for (name, ns) in spans {
        // Spans that add up to more than their step would no longer lie inside it.
        let to = (at + ns).min(step.end_ns);
        if to > at {
            events.push(slice(1, name, at, to, json!({})));
        }
        at = at.max(to);
    }
    if step.post_ns > 0 {
        events.push(slice(1, "post", step.end_ns, end, json!({})));
    }
    if let Some(gpu_ns) = step.gpu_ns {
        // It is known how long the GPU worked, and that it was done when the host had waited for it.
        let from = step.end_ns.saturating_sub(gpu_ns).max(step.start_ns);
        events.push(slice(2, "step", from, step.end_ns, json!({ "step": step.step })));
    }
    events.push(json!({
        "ph": "C", "name": "batch", "pid": pid, "tid": 0, "ts": us(step.start_ns),
        "args": { "prefill tokens": step.prefill_tokens, "decodes": step.decode_sequences },
    }));
}

fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_of_a_thread_nest_and_none_is_negative(
            spans in prop::collection::vec(prop::array::uniform6(0_u64..1_000), 1..20)
        ) {
            let mut at = 0;
            let steps: Vec<StepRecord> = (0..).zip(&spans).map(|(step, &[idle, a, b, c, d, post])| {
                let start_ns = at + idle;
                // As rounding leaves them: spans may exceed the step by a little.
                let end_ns = start_ns + (a + b + c + d).saturating_sub(2);
                at = end_ns + post;
                StepRecord {
                    step, start_ns, end_ns, schedule_ns: a, prepare_ns: b, launch_ns: c, wait_ns: d,
                    post_ns: post, gpu_ns: Some(d + 7), ..StepRecord::default()
                }
            }).collect();
            let run = Run { steps, ..Run::default() };
            let trace = trace("t", &[("real", &run), ("sim", &run)]);
            let slices: Vec<(u64, u64, i64, i64)> = trace["traceEvents"].as_array().unwrap().iter()
                .filter(|event| event["ph"] == "X")
                .map(|event| {
                    let ns = |key: &str| (event[key].as_f64().unwrap() * 1e3).round() as i64;
                    let id = |key: &str| event[key].as_u64().unwrap();
                    (id("pid"), id("tid"), ns("ts"), ns("ts") + ns("dur"))
                })
                .collect();
            for (i, a) in slices.iter().enumerate() {
                prop_assert!(a.3 >= a.2);
                for b in slices.iter().skip(i + 1).filter(|b| b.1 == 1 && (b.0, b.1) == (a.0, a.1)) {
                    let apart = b.2 >= a.3 || a.2 >= b.3;
                    let inside = (b.2 >= a.2 && b.3 <= a.3) || (a.2 >= b.2 && a.3 <= b.3);
                    prop_assert!(apart || inside, "{:?} {:?}", a, b);
                }
            }
        }
    }
}
