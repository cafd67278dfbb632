// Attention over keys that were split over blocks: each block leaves its sums, with the maximum that they
// are scaled by, and the last one adds them up in order, so that the result never depends on who was last.

// Part (s, row) is at index s * ROWS + row of both arrays. LANES threads share a row while its weights are
// found; MOST bounds `active`. `store` gets four elements of a row at a time.
template <int ROWS, int LANES, int MOST, typename Store>
__device__ inline void merge(const float* outs, const float2* sums, int active, int rows, Store store) {
    __shared__ float weights[ROWS][MOST];
    const int row = threadIdx.x / LANES, lane = threadIdx.x % LANES;
    float top = MINUS_INFINITY, total = 0.f;
    if (row < ROWS)
        for (int s = lane; s < active; s += LANES) top = fmaxf(top, __ldcg(&sums[s * ROWS + row]).x);
#pragma unroll
    for (int mask = LANES / 2; mask > 0; mask /= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, mask));
    if (row < ROWS)
        for (int s = lane; s < active; s += LANES) {
            const float2 part = __ldcg(&sums[s * ROWS + row]);
            const float keep = two_to(part.x - top);
            weights[row][s] = keep;
            total += part.y * keep;
        }
    total = lane_sum<LANES>(total);
    if (row < ROWS)
        for (int s = lane; s < active; s += LANES) weights[row][s] /= total;
    __syncthreads();
    for (int i = threadIdx.x; i < rows * (HEAD_DIM / 4); i += blockDim.x) {
        const int row = i / (HEAD_DIM / 4), d = i % (HEAD_DIM / 4) * 4;
        float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll 8
        for (int s = 0; s < active; s++) {
            const float4 part = __ldcg((const float4*)(outs + size_t(s * ROWS + row) * HEAD_DIM + d));
            const float weight = weights[row][s];
            sum.x += part.x * weight, sum.y += part.y * weight;
            sum.z += part.z * weight, sum.w += part.w * weight;
        }
        store(row, d, make_uint2(pack(sum.x, sum.y), pack(sum.z, sum.w)));
    }
}
