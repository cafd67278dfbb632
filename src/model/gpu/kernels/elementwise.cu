// Embedding, norm and activation, token by token.

extern "C" __global__ void nothing() {}

// Row `ids[t]` of the embedding (VOCABULARY, HIDDEN) to row t.
extern "C" __global__ void embed(const bf16* table, const u32* ids, bf16* out) {
    await_kernel_before();
    const uint4* from = (const uint4*)(table + size_t(ids[blockIdx.x]) * HIDDEN);
    uint4* to = (uint4*)(out + size_t(blockIdx.x) * HIDDEN);
    for (int i = threadIdx.x; i < HIDDEN / 8; i += blockDim.x) to[i] = from[i];
}

constexpr int NORM_THREADS = 128;

// Root-mean-square norm of row `rows[b]`, or row b where `rows` is null, to row b.
extern "C" __global__ void rms_norm(const bf16* x, const u32* rows, const bf16* weight, bf16* out) {
    constexpr int PARTS = (HIDDEN / 8 + NORM_THREADS - 1) / NORM_THREADS;
    __shared__ float sums[NORM_THREADS / 32];
    await_kernel_before();
    const size_t row = rows ? rows[blockIdx.x] : blockIdx.x;
    const uint4* from = (const uint4*)(x + row * HIDDEN);
    float values[PARTS][8];
    float sum = 0.f;
#pragma unroll
    for (int p = 0; p < PARTS; p++) {
        const int i = p * NORM_THREADS + threadIdx.x;
        unpack(i < HIDDEN / 8 ? from[i] : make_uint4(0, 0, 0, 0), values[p]);
#pragma unroll
        for (int e = 0; e < 8; e++) sum += values[p][e] * values[p][e];
    }
    sum = lane_sum<32>(sum);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0.f;
    for (float part : sums) sum += part;
    const float scale = rsqrtf(sum / HIDDEN + EPSILON);
#pragma unroll
    for (int p = 0; p < PARTS; p++) {
        const int i = p * NORM_THREADS + threadIdx.x;
        if (i >= HIDDEN / 8) break;
        float weights[8];
        unpack(((const uint4*)weight)[i], weights);
#pragma unroll
        for (int e = 0; e < 8; e++) values[p][e] *= scale * weights[e];
        ((uint4*)(out + size_t(blockIdx.x) * HIDDEN))[i] = pack(values[p]);
    }
}

__device__ inline float silu(float x) { return x / (1.f + two_to(-x * LOG2_E)); }

// Rows of gate and up (2 * INTERMEDIATE) to silu(gate) * up (INTERMEDIATE). Blocks (parts, tokens).
extern "C" __global__ void silu_mul(const bf16* gate_up, bf16* out) {
    await_kernel_before();
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= INTERMEDIATE / 8) return;
    const uint4* row = (const uint4*)(gate_up + size_t(blockIdx.y) * 2 * INTERMEDIATE);
    float gate[8], up[8];
    unpack(row[i], gate);
    unpack(row[i + INTERMEDIATE / 8], up);
#pragma unroll
    for (int e = 0; e < 8; e++) gate[e] = silu(gate[e]) * up[e];
    ((uint4*)(out + size_t(blockIdx.y) * INTERMEDIATE))[i] = pack(gate);
}
