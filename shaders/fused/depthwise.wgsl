// Depthwise convolution and ReLU. Weights are two vec4 per channel: seven taps, then the bias.

// Quad `i` of the output.
fn depthwise_quad(i: u32, src: u32, taps: u32, in_length: u32, out_length: u32, stride: u32)
    -> vec4<f32> {
    let channel = i / out_length;
    let b = weights[taps + 2u * channel + 1u];
    let sum = filter_quad(
        src + channel * in_length, in_length, i % out_length, stride,
        weights[taps + 2u * channel], b,
    );
    return max(sum + b.w, vec4<f32>(0.0));
}

// From `src` to a `dst` that does not overlap it.
fn depthwise(
    thread: u32, src: u32, dst: u32, taps: u32,
    channels: u32, in_length: u32, out_length: u32, stride: u32,
) {
    for (var i = thread; i < channels * out_length; i += THREADS) {
        act[dst + i] = depthwise_quad(i, src, taps, in_length, out_length, stride);
    }
}
