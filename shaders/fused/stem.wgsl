// The stem: full convolution of a few input channels, then ReLU. Weights are two vec4 per output
// and input channel: seven taps, then the bias (zero but for the first input channel).
fn stem(
    thread: u32, src: u32, dst: u32, taps: u32,
    in_channels: u32, in_length: u32, out_channels: u32, out_length: u32, stride: u32,
) {
    for (var i = thread; i < out_channels * out_length; i += THREADS) {
        let channel = i / out_length;
        let quad = i % out_length;
        var sum = vec4<f32>(0.0);
        for (var c = 0u; c < in_channels; c++) {
            let at = taps + 2u * (channel * in_channels + c);
            let b = weights[at + 1u];
            sum += filter_quad(src + c * in_length, in_length, quad, stride, weights[at], b) + b.w;
        }
        act[dst + i] = max(sum, vec4<f32>(0.0));
    }
}
