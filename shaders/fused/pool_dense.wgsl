// Global average pooling and the dense layer. Weights are five vec4 per group of four channels,
// then the five biases. Each thread pools one group (so at most THREADS of them) and multiplies it
// with all five rows; the sums of the groups are then added pairwise at `scratch`, two quads a group.
// Where the means are wanted they take the place of the feature maps.

fn mean_of(row: u32, length: u32) -> f32 {
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < length; i++) {
        sum += act[row + i];
    }
    return (sum.x + sum.y + sum.z + sum.w) / f32(4u * length);
}

fn pool_group(thread: u32, beat: u32, src: u32, scratch: u32, matrix: u32, groups: u32, length: u32) {
    if (thread < groups) {
        let row = src + 4u * thread * length;
        let mean = vec4<f32>(
            mean_of(row, length), mean_of(row + length, length),
            mean_of(row + 2u * length, length), mean_of(row + 3u * length, length),
        );
        if (request.wanted == 1u) {
            maps[beat * groups + thread] = mean;
        }
        let at = matrix + 5u * thread;
        act[scratch + 2u * thread] = vec4<f32>(
            dot(weights[at], mean), dot(weights[at + 1u], mean),
            dot(weights[at + 2u], mean), dot(weights[at + 3u], mean),
        );
        act[scratch + 2u * thread + 1u] = vec4<f32>(dot(weights[at + 4u], mean), 0.0, 0.0, 0.0);
    }
}

// Adds the sums of groups `half` and up to those below.
fn fold_groups(thread: u32, scratch: u32, half: u32, groups: u32) {
    if (thread < half && thread + half < groups) {
        let to = scratch + 2u * thread;
        let other = to + 2u * half;
        act[to] += act[other];
        act[to + 1u] += act[other + 1u];
    }
}

fn store_logits(thread: u32, beat: u32, scratch: u32, bias: u32) {
    if (thread == 0u) {
        let low = act[scratch] + weights[bias];
        let at = 5u * beat;
        logits[at] = low.x;
        logits[at + 1u] = low.y;
        logits[at + 2u] = low.z;
        logits[at + 3u] = low.w;
        logits[at + 4u] = act[scratch + 1u].x + weights[bias + 1u].x;
    }
}
