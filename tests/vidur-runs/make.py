"""Lets Vidur's own schedulers and events serve small clusters, and writes the runs beside this file.

    python3 tests/vidur-runs/make.py VIDUR    # a checkout of https://github.com/microsoft/vidur, 7d47513

Steps take what `tests/vidur-bundle` says. Vidur's predictor, metrics and settings are stood in for, so that nothing
but Python is needed.
"""

import csv
import gzip
import heapq
import io
import itertools
import json
import pathlib
import random
import sys
import types
from unittest.mock import MagicMock

HERE = pathlib.Path(__file__).parent
LONGEST, LAYERS = 200, 4
# Policy, router, replicas, pipeline stages, KV blocks, batch cap, tokens of a step, tokens of a block.
RUNS = [
    ("sarathi", "lor", 2, 2, 24, 8, 40, 16),
    ("vllm", "round_robin", 2, 2, 20, 8, 100, 16),
    ("orca", "lor", 2, 2, 40, 4, 100, 16),
    ("faster_transformer", "round_robin", 1, 2, 60, 4, 100, 16),
    ("lightllm", "lor", 2, 1, 300, 8, 100, 1),
]


class Array(list):
    """As much of numpy's as LightLLM's scheduler asks for."""

    def __mul__(self, other):
        return Array(a * b for a, b in zip(self, other))

    def __add__(self, other):
        return Array(a + b for a, b in zip(self, other))

    def max(self):
        return max(self)


def stand_in(checkout):
    sys.path.insert(0, checkout)
    numpy = types.ModuleType("numpy")
    numpy.array, numpy.arange = Array, lambda *bounds: Array(range(*bounds))
    numpy.cumsum = lambda values: Array(itertools.accumulate(values))
    sys.modules["numpy"] = numpy
    planner = "vidur.scheduler.utils.memory_planner"
    for name in ("vidur.config", "vidur.metrics", "vidur.execution_time_predictor", planner):
        sys.modules[name] = MagicMock()
    memory = types.SimpleNamespace(get_max_batch_size=lambda: 10**6, get_max_request_slots=lambda: 10**6)
    sys.modules[planner].MemoryPlanner = lambda *_: memory


def stage_ms(batch, stages, last):
    """Of one pipeline stage, from the formulas of the bundle's make.py."""
    rounded = -(-sum(batch.num_tokens) // 8) * 8
    layer = sum((place + 1) * (0.01 + rounded / 4096) for place in range(9)) + 2 * (0.008 + rounded / 8192 + 0.02)
    up = lambda tokens: -(-tokens // 64) * 64
    decodes = [request.num_processed_tokens for request in batch.requests if request.is_prefill_complete]
    if decodes:
        kv = up(sum(decodes) // len(decodes))
        layer += (0.01 + len(decodes) / 1024 + kv / 8192) * (1.1 if len(decodes) > 1 else 1)
    chunks = [(up(request.num_processed_tokens), tokens) for request, tokens in zip(batch.requests, batch.num_tokens)
              if not request.is_prefill_complete]
    if chunks:
        chunk = round(sum(tokens**2 for _, tokens in chunks) ** 0.5)
        layer += (0.02 + sum(kv for kv, _ in chunks) / 8192 + chunk / 1024) * (1.1 if len(chunks) > 1 else 1)
    return layer * (LAYERS // stages) + (0 if last else 0.05 + rounded / 8192)


class Predictor:
    def __init__(self, stages):
        self.stages = stages

    def get_execution_time(self, batch, stage):
        seconds = stage_ms(batch, self.stages, stage == self.stages - 1) * 1e-3
        return types.SimpleNamespace(total_time=seconds, model_time=seconds)


def serve(run, requests):
    from vidur.events import RequestArrivalEvent
    from vidur.scheduler.global_scheduler.lor_global_scheduler import LORGlobalScheduler
    from vidur.scheduler.global_scheduler.round_robin_global_scheduler import RoundRobinGlobalScheduler
    from vidur.scheduler.replica_scheduler.replica_scheduler_registry import ReplicaSchedulerRegistry
    from vidur.types import ReplicaSchedulerType

    policy, router, replicas, stages, *_ = run
    replica_scheduler = ReplicaSchedulerRegistry._registry[ReplicaSchedulerType[policy.upper()]]
    space = types.SimpleNamespace
    routers = {"lor": LORGlobalScheduler, "round_robin": RoundRobinGlobalScheduler}
    scheduler = routers[router].__new__(routers[router])
    scheduler._request_queue, scheduler._num_replicas, scheduler._request_counter = [], replicas, 0
    scheduler._replica_schedulers = {
        replica: replica_scheduler(None, space(**settings(run)), space(max_tokens=LONGEST), space(id=replica), stages,
                                   Predictor(stages)) for replica in range(replicas)}
    batches = []
    metrics = MagicMock()
    metrics.on_batch_end = lambda time, batch, *_: batches.append(
        (batch.id, time - batch.scheduled_at, batch.total_num_tokens, batch.num_prefill_tokens, batch.size))
    queue = [(event._priority_number, event)
             for event in [RequestArrivalEvent(request.arrived_at, request) for request in requests]]
    heapq.heapify(queue)
    while queue:
        _, event = heapq.heappop(queue)
        for new in event.handle_event(scheduler, metrics):
            heapq.heappush(queue, (new._priority_number, new))
    assert all(request.completed for request in requests), policy
    first = min(batch[0] for batch in batches)
    return sorted((number - first, *rest) for number, *rest in batches)


def settings(run):
    _, _, _, _, blocks, cap, tokens, block = run
    return {"batch_size_cap": cap, "block_size": block, "watermark_blocks_fraction": 0.05, "num_blocks": blocks,
            "chunk_size": tokens, "max_tokens_in_batch": tokens, "max_waiting_iters": 3}


def config(run):
    policy, router, replicas, stages, *_ = run
    model = {"num_layers": LAYERS, "num_q_heads": 8, "num_kv_heads": 2, "embedding_dim": 64, "mlp_hidden_dim": 128,
             "max_position_embeddings": 512, "use_gated_mlp": True, "post_attn_norm": True}
    replica = {"memory_margin_fraction": 0.1, "num_pipeline_stages": stages, "tensor_parallel_size": 2,
               "model_config": model, "device_config": {"total_memory_gb": 80}}
    return {
        "seed": 42,
        "cluster_config": {"num_replicas": replicas, "replica_config": replica,
                           "global_scheduler_config": {"name": router},
                           "replica_scheduler_config": {**settings(run), "name": policy}},
        "request_generator_config": {"name": "trace_replay", "trace_file": "trace.csv", "max_tokens": LONGEST},
        "execution_time_predictor_config": {
            "kv_cache_prediction_granularity": 64, "attention_decode_batching_overhead_fraction": 0.1,
            "attention_prefill_batching_overhead_fraction": 0.1, "nccl_cpu_launch_overhead_ms": 0.02,
            "nccl_cpu_skew_overhead_per_device_ms": 0.0, "skip_cpu_overhead_modeling": True},
    }


def table(header, rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


OF_REQUESTS = {
    "prefill_e2e_time": lambda r: r.prefill_completed_at - r.arrived_at,
    "request_e2e_time": lambda r: r.e2e_time,
    "request_scheduling_delay": lambda r: r.scheduling_delay,
    "request_execution_time": lambda r: r.execution_time,
    "request_preemption_time": lambda r: r.preempted_time,
    "prefill_time_execution_plus_preemption": lambda r: r.prefill_completed_at - r.scheduled_at,
    "decode_time_execution_plus_preemption_normalized":
        lambda r: (r.completed_at - r.prefill_completed_at) / r.num_decode_tokens,
    "request_num_restarts": lambda r: r.num_restarts,
}


def main():
    stand_in(sys.argv[1])
    from vidur.entities import Request

    for seed, run in enumerate(RUNS):
        random.seed(seed)
        rows, arrival = [], 0.0
        for _ in range(60):
            # Some come together.
            arrival += random.choice([0, round(random.expovariate(50), 6)])
            rows.append((round(arrival, 6), random.randint(1, 60), random.randint(1, 40)))
        requests = [Request(*row) for row in rows]
        batches = serve(run, requests)
        folder = HERE / run[0]
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config(run), indent=1) + "\n")
        header = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"]
        (folder / "trace.csv").write_text(table(header, rows))
        served = [[place, *(value(request) for value in OF_REQUESTS.values())]
                  for place, request in enumerate(requests)]
        (folder / "request_metrics.csv").write_text(table(["Request Id", *OF_REQUESTS], served))
        header = ["Batch Id", "batch_execution_time", "batch_num_tokens", "batch_num_prefill_tokens", "batch_size"]
        packed = gzip.compress(table(header, batches).encode(), mtime=0)
        (folder / "batch_metrics.csv.gz").write_bytes(packed)
        print(run[0], len(batches), "batches,", sum(request.num_restarts for request in requests), "restarts")


if __name__ == "__main__":
    main()
