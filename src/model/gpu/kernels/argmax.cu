// Greedy sampling: the first of the largest logits of each row.

// What a row with a NaN answers.
constexpr u32 NOT_A_NUMBER = ~0u;

// Orders like the number, and among equals the lower index is the larger.
__device__ inline u64 rank(bf16 value, u32 index) {
    u32 bits = u32(value) << 16;
    if ((bits & 0x7fffffffu) > 0x7f800000u) return u64(~0u) << 32;
    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return u64(bits) << 32 | (NOT_A_NUMBER - index);
}

// Blocks (parts, rows). `best` and `counters` are 0 before and after.
extern "C" __global__ void __launch_bounds__(256)
argmax(const bf16* logits, u64* best, u32* counters, u32* tokens) {
    __shared__ u64 found[8];
    await_kernel_before();
    const bf16* row = logits + size_t(blockIdx.y) * VOCABULARY;
    const int pairs = VOCABULARY / 2;
    u64 top = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < pairs; i += gridDim.x * blockDim.x) {
        const u32 pair = ((const u32*)row)[i];
        top = max(top, max(rank(bf16(pair), 2 * i), rank(bf16(pair >> 16), 2 * i + 1)));
    }
    for (int mask = 16; mask > 0; mask /= 2) top = max(top, __shfl_xor_sync(~0u, top, mask));
    if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = top;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (u64 other : found) top = max(top, other);
        atomicMax(&best[blockIdx.y], top);
    }
    if (!last_of(&counters[blockIdx.y], gridDim.x) || threadIdx.x != 0) return;
    tokens[blockIdx.y] = NOT_A_NUMBER - u32(atomicExch(&best[blockIdx.y], 0));
}
