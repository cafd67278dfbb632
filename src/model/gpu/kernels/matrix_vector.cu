// Products of few rows with a weight matrix (out, in), where reading the weights is all the work: a warp
// for each output, or for each pair of outputs. A product of this form beats a general one up to a few
// rows. A norm before and the activation or the residual after are done on the way.

constexpr int VECTOR_WARPS = 4;

enum Before { AS_IS, NORM };
enum After { STORE, ADD, SILU };

// Rows of x (ROWS, WIDTH) to shared memory, normed where asked for: a warp a row.
template <int ROWS, int WIDTH, Before before>
__device__ inline void stage(bf16 (&staged)[ROWS][WIDTH], const bf16* x, const u32* rows, const bf16* norm) {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int r = warp; r < ROWS; r += VECTOR_WARPS) {
        const bf16* from = x + size_t(rows ? rows[r] : r) * WIDTH;
        float sum = 0.f;
        for (int i = lane * 8; i < WIDTH; i += 256) {
            const uint4 v = *(const uint4*)(from + i);
            *(uint4*)&staged[r][i] = v;
            if (before == NORM) {
                float f[8];
                unpack(v, f);
#pragma unroll
                for (int e = 0; e < 8; e++) sum += f[e] * f[e];
            }
        }
        if (before == AS_IS) continue;
        const float scale = rsqrtf(lane_sum<32>(sum) / WIDTH + EPSILON);
        for (int i = lane * 8; i < WIDTH; i += 256) {
            float f[8], w[8];
            unpack(*(const uint4*)&staged[r][i], f);
            unpack(*(const uint4*)(norm + i), w);
#pragma unroll
            for (int e = 0; e < 8; e++) f[e] *= scale * w[e];
            *(uint4*)&staged[r][i] = pack(f);
        }
    }
}

// y (ROWS, outputs) from x (ROWS, WIDTH). With SILU the matrix holds gates and then ups, and the
// outputs are half its rows. Blocks may be fewer than the outputs need.
template <int ROWS, int WIDTH, Before before, After after>
__device__ inline void matrix_vector(const bf16* x, const u32* rows, const bf16* norm, const bf16* matrix,
                                     bf16* y, int outputs) {
    constexpr int CHUNKS = (WIDTH + 255) / 256;
    constexpr int AT_ONCE = CHUNKS < 4 ? CHUNKS : 4;
    __shared__ __align__(16) bf16 staged[ROWS][WIDTH];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int step = gridDim.x * VECTOR_WARPS;
    // With ADD a warp has one output, else two.
    constexpr int PAIR = after == ADD ? 1 : 2;
    bool ready = false;
    for (int item = blockIdx.x * VECTOR_WARPS + warp; item < (after == STORE ? outputs / 2 : outputs) || !ready;
         item += step) {
        const int out = after == STORE ? item * 2 : item;
        const bool inside = out < outputs;
        const bf16* weights[PAIR];
#pragma unroll
        for (int p = 0; p < PAIR; p++)
            weights[p] = matrix + size_t(inside ? out + (after == SILU ? p * outputs : p) : 0) * WIDTH;
        float sums[PAIR][ROWS] = {};
#pragma unroll
        for (int c = 0; c < CHUNKS; c += AT_ONCE) {
            uint4 w[PAIR][AT_ONCE];
#pragma unroll
            for (int a = 0; a < AT_ONCE; a++)
#pragma unroll
                for (int p = 0; p < PAIR; p++) {
                    const int i = (c + a) * 256 + lane * 8;
                    w[p][a] = i < WIDTH ? load_once(weights[p] + i) : make_uint4(0, 0, 0, 0);
                }
            // The first weights are on their way while the rows are staged.
            if (!ready) {
                await_kernel_before();
                stage<ROWS, WIDTH, before>(staged, x, rows, norm);
                __syncthreads();
                ready = true;
            }
#pragma unroll
            for (int a = 0; a < AT_ONCE; a++) {
                const int i = (c + a) * 256 + lane * 8;
                if (i >= WIDTH) break;
                float f[PAIR][8];
#pragma unroll
                for (int p = 0; p < PAIR; p++) unpack(w[p][a], f[p]);
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    float v[8];
                    unpack(*(const uint4*)&staged[r][i], v);
#pragma unroll
                    for (int p = 0; p < PAIR; p++)
#pragma unroll
                        for (int e = 0; e < 8; e++) sums[p][r] += f[p][e] * v[e];
                }
            }
        }
        if (!inside) break;
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float total[PAIR];
#pragma unroll
            for (int p = 0; p < PAIR; p++) total[p] = lane_sum<32>(sums[p][r]);
            if (lane != 0) continue;
            bf16* to = y + size_t(r) * outputs + out;
            if (after == STORE) *(u32*)to = pack(total[0], total[PAIR - 1]);
            if (after == ADD) *to = to_bf16(to_float(*to) + total[0]);
            if (after == SILU) *to = to_bf16(silu(total[0]) * total[PAIR - 1]);
        }
    }
}

#define PRODUCT(NAME, ROWS, WIDTH, BEFORE, AFTER)                                                             \
    extern "C" __global__ void __launch_bounds__(VECTOR_WARPS * 32) NAME##_product_##ROWS(                    \
        const bf16* x, const u32* rows, const bf16* norm, const bf16* matrix, bf16* y, int outputs) {         \
        matrix_vector<ROWS, WIDTH, BEFORE, AFTER>(x, rows, norm, matrix, y, outputs);                         \
    }
#define FOR_ROWS(ROWS)                                                                                        \
    PRODUCT(norm, ROWS, HIDDEN, NORM, STORE)                                                                  \
    PRODUCT(out, ROWS, Q_WIDTH, AS_IS, ADD)                                                                   \
    PRODUCT(silu, ROWS, HIDDEN, NORM, SILU)                                                                   \
    PRODUCT(down, ROWS, INTERMEDIATE, AS_IS, ADD)

// As many rows as fit into a block's shared memory.
#if MOST_VECTOR_ROWS >= 1
FOR_ROWS(1)
#endif
#if MOST_VECTOR_ROWS >= 2
FOR_ROWS(2)
#endif
#if MOST_VECTOR_ROWS >= 4
FOR_ROWS(4)
#endif
