// Pointwise convolution. Weights are one vec4 per input channel and group of four output channels,
// then one vec4 of biases per group. A thread computes tiles of four output channels by four
// samples, so that each pair of loads feeds sixteen multiply-adds.

const LINEAR = 0u;
const RELU = 1u;
// Adds what is at `dst` already: the residual connection.
const ADD = 2u;

fn pointwise(
    thread: u32, src: u32, dst: u32, matrix: u32,
    in_channels: u32, out_groups: u32, length: u32, finish: u32,
) {
    for (var tile = thread; tile < out_groups * length; tile += THREADS) {
        let quad = tile % length;
        let group = tile / length;
        let bias = weights[matrix + in_channels * out_groups + group];
        var s0 = vec4<f32>(bias.x);
        var s1 = vec4<f32>(bias.y);
        var s2 = vec4<f32>(bias.z);
        var s3 = vec4<f32>(bias.w);
        var w = matrix + group;
        var x = src + quad;
        for (var c = 0u; c < in_channels; c += 4u) {
            let w0 = weights[w];
            let w1 = weights[w + out_groups];
            let w2 = weights[w + 2u * out_groups];
            let w3 = weights[w + 3u * out_groups];
            let x0 = act[x];
            let x1 = act[x + length];
            let x2 = act[x + 2u * length];
            let x3 = act[x + 3u * length];
            s0 += w0.x * x0; s1 += w0.y * x0; s2 += w0.z * x0; s3 += w0.w * x0;
            s0 += w1.x * x1; s1 += w1.y * x1; s2 += w1.z * x1; s3 += w1.w * x1;
            s0 += w2.x * x2; s1 += w2.y * x2; s2 += w2.z * x2; s3 += w2.w * x2;
            s0 += w3.x * x3; s1 += w3.y * x3; s2 += w3.z * x3; s3 += w3.w * x3;
            w += 4u * out_groups;
            x += 4u * length;
        }
        let at = dst + 4u * group * length + quad;
        if (finish == RELU) {
            s0 = max(s0, vec4<f32>(0.0));
            s1 = max(s1, vec4<f32>(0.0));
            s2 = max(s2, vec4<f32>(0.0));
            s3 = max(s3, vec4<f32>(0.0));
        }
        if (finish == ADD) {
            s0 += act[at];
            s1 += act[at + length];
            s2 += act[at + 2u * length];
            s3 += act[at + 3u * length];
        }
        act[at] = s0;
        act[at + length] = s1;
        act[at + 2u * length] = s2;
        act[at + 3u * length] = s3;
    }
}
