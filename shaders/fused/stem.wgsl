// What the context adds to every sample of an output channel: `quads` vec4 of values at `src`, of
// weights at `map`.
fn mapped_context(src: u32, map: u32, quads: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < quads; i++) {
        sum += dot(weights[map + i], act[src + i]);
    }
    return sum;
}

// The stem: full convolution of a few input channels plus a linear map of the context behind them,
// then ReLU. Weights are two vec4 per output and input channel: seven taps, then the bias (zero but
// for the first input channel); then the map, `context` vec4 per output channel.
fn stem(
    thread: u32, src: u32, dst: u32, taps: u32, in_channels: u32, in_length: u32,
    out_channels: u32, out_length: u32, stride: u32, context: u32,
) {
    let map = taps + 2u * out_channels * in_channels;
    for (var i = thread; i < out_channels * out_length; i += THREADS) {
        let channel = i / out_length;
        let quad = i % out_length;
        var sum = vec4<f32>(
            mapped_context(src + in_channels * in_length, map + channel * context, context)
        );
        for (var c = 0u; c < in_channels; c++) {
            let at = taps + 2u * (channel * in_channels + c);
            let b = weights[at + 1u];
            sum += filter_quad(src + c * in_length, in_length, quad, stride, weights[at], b) + b.w;
        }
        act[dst + i] = max(sum, vec4<f32>(0.0));
    }
}
