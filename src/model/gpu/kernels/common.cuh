// What all kernels share. Sizes come as definitions, see `compile` in kernels.rs: those of the model (HIDDEN,
// INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY, EPSILON, SCALE), BLOCK_TOKENS of a KV block, and
// those that the host's side shares (HEADS_AT_ONCE, TILE_ROWS, TILE_KEYS, MOST_...).
//
// Numbers are stored as bf16 and added up as f32. Headers of CUDA are not needed: machines that only
// run this have none.

typedef unsigned short bf16;
typedef unsigned int u32;
typedef unsigned long long u64;

constexpr int GROUP = HEADS / KV_HEADS;
constexpr int Q_WIDTH = HEADS * HEAD_DIM;
constexpr int QKV_WIDTH = (HEADS + 2 * KV_HEADS) * HEAD_DIM;
constexpr float LOG2_E = 1.44269504088896341f;
#define MINUS_INFINITY __int_as_float(0xff800000)

__device__ inline float low(u32 pair) { return __uint_as_float(pair << 16); }
__device__ inline float high(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
__device__ inline float to_float(bf16 x) { return __uint_as_float(u32(x) << 16); }

// Rounds to nearest even.
__device__ inline u32 pack(float low, float high) {
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}
__device__ inline bf16 to_bf16(float x) { return bf16(pack(x, 0.f)); }

__device__ inline void unpack(uint4 packed, float (&values)[8]) {
    values[0] = low(packed.x), values[1] = high(packed.x);
    values[2] = low(packed.y), values[3] = high(packed.y);
    values[4] = low(packed.z), values[5] = high(packed.z);
    values[6] = low(packed.w), values[7] = high(packed.w);
}
__device__ inline uint4 pack(const float (&v)[8]) {
    return make_uint4(pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7]));
}

__device__ inline float two_to(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Sum over the lanes of a warp that differ in the bits below `width`.
template <int width> __device__ inline float lane_sum(float x) {
#pragma unroll
    for (int mask = width / 2; mask > 0; mask /= 2) x += __shfl_xor_sync(~0u, x, mask);
    return x;
}

// Weights are read once a step: they should not push other data out of the L1 cache.
__device__ inline uint4 load_once(const bf16* p) {
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
    return v;
}

// Where the key or value of head `head` at position `position` lies in the cache of a layer: blocks, then
// heads, then tokens.
__device__ inline size_t cache_offset(const int* table, int position, int head) {
    const int block = table[position / BLOCK_TOKENS];
    return ((size_t(block) * KV_HEADS + head) * BLOCK_TOKENS + position % BLOCK_TOKENS) * HEAD_DIM;
}

// Called first of all. On Hopper the blocks of a kernel may start while those of the kernel before it
// finish, so what that one wrote may be touched only behind this line; before it, weights may be fetched.
__device__ inline void await_kernel_before() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Whether this block is the last of `count` that share `counter`, which is then 0 again. What the others
// wrote before is visible to the last one.
__device__ inline bool last_of(u32* counter, u32 count) {
    __shared__ bool last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(counter, count - 1) == count - 1;
    __syncthreads();
    __threadfence();
    return last;
}
