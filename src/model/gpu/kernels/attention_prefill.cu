// Attention of prompt chunks over their KV blocks, on tensor cores: tiles of TILE_ROWS rows (tokens times
// the query heads of one key head) against TILE_KEYS keys at a time, with an online softmax in registers (Dao,
// FlashAttention-2, 2023). Long contexts are split over blocks, as for single tokens.

constexpr int TILE_TOKENS = TILE_ROWS / GROUP;
constexpr int PREFILL_WARPS = 4;                  // 16 rows each
constexpr int STRIDE = HEAD_DIM + 8;              // of a key in shared memory, so that banks differ
constexpr int TILE_SIZE = TILE_KEYS * STRIDE;
constexpr int SPLIT_KEY_TILES = 4;                // fewest key tiles that are worth a block

__device__ inline u32 shared_address(const void* p) { return u32(__cvta_generic_to_shared(p)); }

__device__ inline void matrices(u32 (&r)[4], const bf16* p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}
__device__ inline void matrices_transposed(u32 (&r)[4], const bf16* p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}
__device__ inline void multiply(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
                 "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Starts to copy keys and values from position `from` on; those at `length` and beyond become 0.
__device__ inline void copy_tile(bf16* key_tile, bf16* value_tile, const bf16* keys, const bf16* values,
                                 const int* table, int from, int length, int head) {
    constexpr int CHUNKS = HEAD_DIM / 8, THREADS = PREFILL_WARPS * 32;
#pragma unroll
    for (int i = threadIdx.x; i < TILE_KEYS * CHUNKS; i += THREADS) {
        const int key = i / CHUNKS, chunk = i % CHUNKS;
        const int position = from + key;
        const size_t offset = cache_offset(table, min(position, length - 1), head) + chunk * 8;
        const int bytes = position < length ? 16 : 0, place = key * STRIDE + chunk * 8;
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                     :: "r"(shared_address(key_tile + place)), "l"(keys + offset), "r"(bytes) : "memory");
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                     :: "r"(shared_address(value_tile + place)), "l"(values + offset), "r"(bytes) : "memory");
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
}
__device__ inline void await_copies() {
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads();
}

// Blocks (splits, key heads, tiles). `tiles` holds for each one {packed row, tokens, position of the first,
// start of its blocks in `tables`}, with 0 tokens for padding.
extern "C" __global__ void __launch_bounds__(PREFILL_WARPS * 32)
attention_prefill(const bf16* qkv, const bf16* keys, const bf16* values, const int* tiles,
                  const int* tables, bf16* out, float* part_out, float2* part_sums, u32* counters) {
    // Two tiles of keys and two of values: one is worked on while the next one comes.
    extern __shared__ __align__(16) bf16 tiles_in_flight[];
    await_kernel_before();
    const int* tile = tiles + blockIdx.z * 4;
    const int first_row = tile[0], tokens = tile[1], first_position = tile[2];
    const int* table = tables + tile[3];
    if (tokens == 0) return;
    const int length = first_position + tokens;
    const int key_tiles = (length + TILE_KEYS - 1) / TILE_KEYS;
    const int splits = gridDim.x, split = blockIdx.x, kv_head = blockIdx.y;
    const int share = max(SPLIT_KEY_TILES, (key_tiles + splits - 1) / splits);
    const int active = (key_tiles + share - 1) / share;
    if (split >= active) return;
    const int begin = split * share, end = min(begin + share, key_tiles);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;

    // This thread's two rows, 8 apart; rows beyond the tile's tokens look at its first token.
    const bf16* q_rows[2];
    int positions[2];
    bool valid[2];
    size_t places[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = warp * 16 + r * 8 + lane / 4;
        const int token = row / GROUP, head = kv_head * GROUP + row % GROUP;
        valid[r] = token < tokens && row < TILE_TOKENS * GROUP;
        const int seen = valid[r] ? token : 0;
        positions[r] = first_position + seen;
        q_rows[r] = qkv + size_t(first_row + seen) * QKV_WIDTH + head * HEAD_DIM;
        places[r] = size_t(first_row + seen) * Q_WIDTH + head * HEAD_DIM;
    }
    u32 q[HEAD_DIM / 16][4];
#pragma unroll
    for (int k = 0; k < HEAD_DIM / 16; k++)
#pragma unroll
        for (int part = 0; part < 4; part++)
            q[k][part] = *(const u32*)(q_rows[part % 2] + k * 16 + part / 2 * 8 + lane % 4 * 2);

    float acc[HEAD_DIM / 8][4] = {};
    float most[2] = {MINUS_INFINITY, MINUS_INFINITY}, sum[2] = {};
    const auto copy = [&](int t) {
        bf16* to = tiles_in_flight + t % 2 * 2 * TILE_SIZE;
        copy_tile(to, to + TILE_SIZE, keys, values, table, t * TILE_KEYS, length, kv_head);
    };
    copy(begin);
    for (int t = begin; t < end; t++) {
        const int from = t * TILE_KEYS;
        const bf16* key_tile = tiles_in_flight + t % 2 * 2 * TILE_SIZE;
        const bf16* value_tile = key_tile + TILE_SIZE;
        // What was worked on before this wait is free for the next copy behind it.
        await_copies();
        if (t + 1 < end) copy(t + 1);
        float score[TILE_KEYS / 8][4] = {};
#pragma unroll
        for (int k = 0; k < HEAD_DIM / 16; k++)
#pragma unroll
            for (int n = 0; n < TILE_KEYS / 16; n++) {
                u32 b[4];
                const int key = n * 16 + lane % 8 + lane / 16 * 8;
                matrices(b, key_tile + key * STRIDE + k * 16 + lane / 8 % 2 * 8);
                multiply(score[2 * n], q[k], b[0], b[1]);
                multiply(score[2 * n + 1], q[k], b[2], b[3]);
            }
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float top = most[r];
#pragma unroll
            for (int n = 0; n < TILE_KEYS / 8; n++)
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    float& s = score[n][2 * r + c];
                    const bool seen = from + n * 8 + lane % 4 * 2 + c <= positions[r];
                    s = seen ? s * (SCALE * LOG2_E) : MINUS_INFINITY;
                    top = fmaxf(top, s);
                }
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
            // A row that has seen no key yet has nothing to scale.
            const float shift = top == MINUS_INFINITY ? 0.f : top;
            const float keep = two_to(most[r] - shift);
            most[r] = top;
            sum[r] *= keep;
#pragma unroll
            for (int n = 0; n < TILE_KEYS / 8; n++)
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    float& s = score[n][2 * r + c];
                    s = two_to(s - shift);
                    sum[r] += s;
                }
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 8; n++) acc[n][2 * r] *= keep, acc[n][2 * r + 1] *= keep;
        }
#pragma unroll
        for (int k = 0; k < TILE_KEYS / 16; k++) {
            const u32 p[4] = {pack(score[2 * k][0], score[2 * k][1]), pack(score[2 * k][2], score[2 * k][3]),
                              pack(score[2 * k + 1][0], score[2 * k + 1][1]),
                              pack(score[2 * k + 1][2], score[2 * k + 1][3])};
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 16; n++) {
                u32 b[4];
                const int key = k * 16 + lane % 8 + lane / 8 % 2 * 8;
                matrices_transposed(b, value_tile + key * STRIDE + n * 16 + lane / 16 * 8);
                multiply(acc[2 * n], p, b[0], b[1]);
                multiply(acc[2 * n + 1], p, b[2], b[3]);
            }
        }
    }
    // Four lanes share a row.
    sum[0] = lane_sum<4>(sum[0]), sum[1] = lane_sum<4>(sum[1]);
    const size_t place = size_t(blockIdx.z) * gridDim.y + kv_head;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        if (active == 1) {
            if (!valid[r]) continue;
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 8; n++)
                *(u32*)(out + places[r] + n * 8 + lane % 4 * 2) =
                    pack(acc[n][2 * r] / sum[r], acc[n][2 * r + 1] / sum[r]);
        } else {
            const size_t part = (place * splits + split) * TILE_ROWS + warp * 16 + r * 8 + lane / 4;
#pragma unroll
            for (int n = 0; n < HEAD_DIM / 8; n++)
                *(float2*)(part_out + part * HEAD_DIM + n * 8 + lane % 4 * 2) =
                    make_float2(acc[n][2 * r], acc[n][2 * r + 1]);
            if (lane % 4 == 0) part_sums[part] = make_float2(most[r], sum[r]);
        }
    }
    if (active == 1 || !last_of(&counters[place], active)) return;
    const size_t first = place * splits * TILE_ROWS;
    merge<TILE_ROWS, PREFILL_WARPS * 32 / TILE_ROWS, MOST_PREFILL_SPLITS>(
        part_out + first * HEAD_DIM, part_sums + first, active, tokens * GROUP,
        [&](int row, int d, uint2 four) {
            const int head = kv_head * GROUP + row % GROUP;
            *(uint2*)(out + size_t(first_row + row / GROUP) * Q_WIDTH + head * HEAD_DIM + d) = four;
        });
}
