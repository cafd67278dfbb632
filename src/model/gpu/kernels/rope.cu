// Norm of queries and keys, their rotation, and the write of keys and values to the cache: one warp a
// token and head. Queries stay where they are.

// Blocks (tokens, heads / 4). `angles` holds cosine and sine by position and frequency; `slots` is the
// place of each token in the cache, block * BLOCK_TOKENS + offset, or -1 for a token that is padding.
extern "C" __global__ void __launch_bounds__(128)
qk_norm_rope(bf16* qkv, const u32* positions, const int* slots, const bf16* q_norm, const bf16* k_norm,
             const float2* angles, bf16* keys, bf16* values) {
    constexpr int HALF = HEAD_DIM / 2;
    constexpr int PAIRS = (HALF + 31) / 32;
    await_kernel_before();
    const int token = blockIdx.x, lane = threadIdx.x % 32;
    const int head = blockIdx.y * 4 + threadIdx.x / 32;
    if (head >= HEADS + 2 * KV_HEADS) return;
    bf16* x = qkv + size_t(token) * QKV_WIDTH + head * HEAD_DIM;
    const int slot = slots[token];
    const int kv_head = head < HEADS + KV_HEADS ? head - HEADS : head - HEADS - KV_HEADS;
    const size_t place = ((size_t(slot / BLOCK_TOKENS) * KV_HEADS + kv_head) * BLOCK_TOKENS
                          + slot % BLOCK_TOKENS) * HEAD_DIM;
    if (head >= HEADS + KV_HEADS) {
        if (slot >= 0)
            for (int i = lane; i < HALF; i += 32) ((u32*)(values + place))[i] = ((const u32*)x)[i];
        return;
    }
    // Element i turns with element i + HALF.
    float first[PAIRS], second[PAIRS], sum = 0.f;
#pragma unroll
    for (int p = 0; p < PAIRS; p++) {
        const int i = p * 32 + lane;
        first[p] = i < HALF ? to_float(x[i]) : 0.f;
        second[p] = i < HALF ? to_float(x[i + HALF]) : 0.f;
        sum += first[p] * first[p] + second[p] * second[p];
    }
    const float scale = rsqrtf(lane_sum<32>(sum) / HEAD_DIM + EPSILON);
    const bf16* weight = head < HEADS ? q_norm : k_norm;
    bf16* out = head < HEADS ? x : keys + place;
    if (head >= HEADS && slot < 0) return;
#pragma unroll
    for (int p = 0; p < PAIRS; p++) {
        const int i = p * 32 + lane;
        if (i >= HALF) break;
        const float a = first[p] * scale * to_float(weight[i]);
        const float b = second[p] * scale * to_float(weight[i + HALF]);
        const float2 angle = angles[size_t(positions[token]) * HALF + i];
        out[i] = to_bf16(a * angle.x - b * angle.y);
        out[i + HALF] = to_bf16(b * angle.x + a * angle.y);
    }
}
