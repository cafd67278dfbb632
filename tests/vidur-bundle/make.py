"""Writes the profiles and fitted tables beside this file, in the form of Vidur's, with made-up times.

    python3 tests/vidur-bundle/make.py

Every time is linear in each of its variables, so that tests can say what lies between two points.
"""

import csv
import pathlib

HERE = pathlib.Path(__file__).parent
HEADS, KV_HEADS, HIDDEN, WIDE = 8, 2, 64, 128
TOKENS = [1, 2, 8, 16, 64, 128, 256]
OPS = ["attn_pre_proj", "attn_post_proj", "mlp_up_proj", "mlp_down_proj", "mlp_act", "attn_rope",
       "input_layernorm", "post_attention_layernorm", "add"]


def token_ms(place, tokens):
    """Of op number `place`."""
    return round((place + 1) * (0.01 + tokens / 4096), 9)


def decode_ms(batch, kv):
    return round(0.01 + batch / 1024 + kv / 8192, 9)


def prefill_ms(kv, chunk):
    return round(0.02 + kv / 8192 + chunk / 1024, 9)


def write(name, header, rows):
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def median(op):
    return f"time_stats.{op}.median"


def main():
    # The profile of mlp_act lies under a fitted table, which counts.
    write("mlp.csv", [median(op) for op in OPS] + ["n_head", "n_kv_head", "n_embd", "n_expanded_embd",
          "use_gated_mlp", "num_tokens", "num_tensor_parallel_workers"],
          [[token_ms(place, tokens) * 2 / degree for place in range(len(OPS))]
           + [HEADS, KV_HEADS, HIDDEN, WIDE, True, tokens, degree] for degree in (1, 2) for tokens in TOKENS])
    attention = []
    for block in (16, 1):
        model = [HIDDEN, HEADS, KV_HEADS, block, 2]
        attention += [["", prefill_ms(kv, chunk), *model, 1, chunk, kv]
                      for kv in (0, 128, 512) for chunk in (1, 64, 256)]
        # Under a fitted table, too.
        attention += [[decode_ms(batch, kv) * 9, "", *model, batch, 0, kv] for batch in (1, 8) for kv in (32, 512)]
    write("attention.csv", [median("attn_decode"), median("attn_prefill"), "n_embd", "n_q_head", "n_kv_head",
          "block_size", "num_tensor_parallel_workers", "batch_size", "prefill_chunk_size", "kv_cache_size"],
          attention)
    write("all_reduce.csv", [median("all_reduce"), "num_workers", "size", "collective", "devices_per_node"],
          [[round(0.004 * workers + tokens / 8192, 9), workers, tokens * HIDDEN * 2, "all_reduce", workers]
           for workers in (2, 4) for tokens in (0.5, 100, 256)])
    write("send_recv.csv", [median("send_recv"), "size", "collective", "devices_per_node", "max_devices_per_node"],
          [[round(0.1 / devices + tokens / 8192, 9), tokens * HIDDEN * 2, "send_recv", devices, 4]
           for devices in (1, 2) for tokens in (0.5, 100, 256)])
    host = ["schedule_median", "sampler_e2e_median", "prepare_inputs_e2e_median",
            "process_model_outputs_median", "ray_comm_time_mean"]
    write("cpu_overheads.csv", [*host, "model_name", "batch_size", "tensor_parallel_degree"],
          [[round(0.01 * (place + 1) + batch / 1024, 9) for place in range(5)] + ["tiny", batch, 2]
           for batch in (1, 8)])
    write("predictions/mlp_act.csv", ["num_tokens", "prediction"],
          [[tokens, token_ms(OPS.index("mlp_act"), tokens)] for tokens in range(1, 257)])
    write("predictions/attn_decode.csv", ["batch_size", "kv_cache_size", "prediction"],
          [[batch, kv, decode_ms(batch, kv)] for batch in range(1, 9) for kv in range(0, 513, 64)])


if __name__ == "__main__":
    main()
