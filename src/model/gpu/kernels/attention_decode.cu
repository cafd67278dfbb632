// Attention of single tokens over their KV blocks. A few lanes share a key; every such group of lanes
// keeps an online softmax of its own (Milakov and Gimelshein, 2018), and all are merged at the end.
// Long contexts are split over blocks; the last block to finish adds the parts up in order.

constexpr int PART = HEADS_AT_ONCE;               // query heads that one block serves
constexpr int KEY_LANES = HEAD_DIM / 16;          // lanes that share a key: 16 elements each
constexpr int KEY_GROUPS = 32 / KEY_LANES;
constexpr int UNROLL = 4;                         // keys in flight for each group
constexpr int DECODE_WARPS = 4;
constexpr int SPLIT_STEP = DECODE_WARPS * KEY_GROUPS * UNROLL;

// A key's or value's 16 elements of this lane: two runs of 8, so that lanes read side by side.
struct Slice { uint4 a, b; };
__device__ inline Slice load_slice(const bf16* p, int lane) {
    return {*(const uint4*)(p + lane * 8), *(const uint4*)(p + HEAD_DIM / 2 + lane * 8)};
}
__device__ inline void unpack(const Slice& s, float (&v)[16]) {
    float half[8];
    unpack(s.a, half);
#pragma unroll
    for (int e = 0; e < 8; e++) v[e] = half[e];
    unpack(s.b, half);
#pragma unroll
    for (int e = 0; e < 8; e++) v[8 + e] = half[e];
}

// Blocks (splits, heads / PART, sequences). `sequences` holds for each one {packed row, keys, start of
// its blocks in `tables`}, with 0 keys for padding. `out` has Q_WIDTH columns.
extern "C" __global__ void __launch_bounds__(DECODE_WARPS * 32)
attention_decode(const bf16* qkv, const bf16* keys, const bf16* values, const int* sequences,
                 const int* tables, bf16* out, float* part_out, float2* part_sums, u32* counters) {
    __shared__ float merged[DECODE_WARPS][PART][HEAD_DIM];
    __shared__ float2 sums[DECODE_WARPS][PART];
    await_kernel_before();
    const int split = blockIdx.x, splits = gridDim.x;
    const int row = sequences[blockIdx.z * 3], length = sequences[blockIdx.z * 3 + 1];
    const int* table = tables + sequences[blockIdx.z * 3 + 2];
    int share = (length + splits - 1) / splits;
    share = (share + SPLIT_STEP - 1) / SPLIT_STEP * SPLIT_STEP;
    const int active = length == 0 ? 0 : (length + share - 1) / share;
    if (split >= active) return;
    const int begin = split * share, end = min(begin + share, length);
    const int first_head = blockIdx.y * PART, kv_head = first_head / GROUP;
    const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / KEY_LANES;
    const int lane = threadIdx.x % KEY_LANES;

    float q[PART][16], acc[PART][16], most[PART], sum[PART];
#pragma unroll
    for (int h = 0; h < PART; h++) {
        const bf16* from = qkv + size_t(row) * QKV_WIDTH + (first_head + h) * HEAD_DIM;
        unpack(load_slice(from, lane), q[h]);
#pragma unroll
        for (int e = 0; e < 16; e++) q[h][e] *= SCALE * LOG2_E, acc[h][e] = 0.f;
        most[h] = MINUS_INFINITY, sum[h] = 0.f;
    }
    for (int base = begin + warp * KEY_GROUPS * UNROLL; base < end; base += SPLIT_STEP) {
        Slice k[UNROLL], v[UNROLL];
        float score[UNROLL][PART];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            const int position = min(base + u * KEY_GROUPS + group, end - 1);
            const size_t offset = cache_offset(table, position, kv_head);
            k[u] = load_slice(keys + offset, lane);
            v[u] = load_slice(values + offset, lane);
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            float key[16];
            unpack(k[u], key);
#pragma unroll
            for (int h = 0; h < PART; h++) {
                float dot = 0.f;
#pragma unroll
                for (int e = 0; e < 16; e++) dot += q[h][e] * key[e];
                dot = lane_sum<KEY_LANES>(dot);
                score[u][h] = base + u * KEY_GROUPS + group < end ? dot : MINUS_INFINITY;
            }
        }
        float weight[UNROLL][PART];
#pragma unroll
        for (int h = 0; h < PART; h++) {
            float top = most[h];
#pragma unroll
            for (int u = 0; u < UNROLL; u++) top = fmaxf(top, score[u][h]);
            // A group that has seen no key yet has nothing to scale.
            const float shift = top == MINUS_INFINITY ? 0.f : top;
            const float keep = two_to(most[h] - shift);
            most[h] = top;
            sum[h] *= keep;
#pragma unroll
            for (int e = 0; e < 16; e++) acc[h][e] *= keep;
#pragma unroll
            for (int u = 0; u < UNROLL; u++) {
                weight[u][h] = two_to(score[u][h] - shift);
                sum[h] += weight[u][h];
            }
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            float value[16];
            unpack(v[u], value);
#pragma unroll
            for (int h = 0; h < PART; h++)
#pragma unroll
                for (int e = 0; e < 16; e++) acc[h][e] += weight[u][h] * value[e];
        }
    }
    // The groups of a warp, then the warps.
#pragma unroll
    for (int h = 0; h < PART; h++) {
        float top = most[h];
#pragma unroll
        for (int mask = KEY_LANES; mask < 32; mask *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, mask));
        const float keep = top == MINUS_INFINITY ? 0.f : two_to(most[h] - top);
        float total = sum[h] * keep;
#pragma unroll
        for (int mask = KEY_LANES; mask < 32; mask *= 2) total += __shfl_xor_sync(~0u, total, mask);
#pragma unroll
        for (int e = 0; e < 16; e++) {
            float x = acc[h][e] * keep;
#pragma unroll
            for (int mask = KEY_LANES; mask < 32; mask *= 2) x += __shfl_xor_sync(~0u, x, mask);
            if (group == 0) merged[warp][h][e < 8 ? lane * 8 + e : HEAD_DIM / 2 + lane * 8 + e - 8] = x;
        }
        if (threadIdx.x % 32 == 0) sums[warp][h] = make_float2(top, total);
    }
    __syncthreads();
    const size_t place = size_t(blockIdx.z) * gridDim.y + blockIdx.y;
    for (int i = threadIdx.x; i < PART * HEAD_DIM; i += blockDim.x) {
        const int h = i / HEAD_DIM, d = i % HEAD_DIM;
        float top = MINUS_INFINITY, total = 0.f, x = 0.f;
        for (int w = 0; w < DECODE_WARPS; w++) top = fmaxf(top, sums[w][h].x);
        for (int w = 0; w < DECODE_WARPS; w++) {
            const float keep = two_to(sums[w][h].x - top);
            total += sums[w][h].y * keep;
            x += merged[w][h][d] * keep;
        }
        if (active == 1) {
            out[size_t(row) * Q_WIDTH + (first_head + h) * HEAD_DIM + d] = to_bf16(x / total);
        } else {
            const size_t part = (place * splits + split) * PART + h;
            part_out[part * HEAD_DIM + d] = x;
            if (d == 0) part_sums[part] = make_float2(top, total);
        }
    }
    if (active == 1 || !last_of(&counters[place], active)) return;
    const size_t first = place * splits * PART;
    merge<PART, 32, MOST_DECODE_SPLITS>(part_out + first * HEAD_DIM, part_sums + first, active, PART,
        [&](int h, int d, uint2 four) {
            *(uint2*)(out + size_t(row) * Q_WIDTH + (first_head + h) * HEAD_DIM + d) = four;
        });
}
