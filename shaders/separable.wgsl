// Depthwise convolution and ReLU, then pointwise convolution, in one pass: what the product in
// tile.wgsl reads is filtered on the way into workgroup memory. Parameters of the depthwise part are
// the weights [channel][kernel], then the biases, from TAPS on.

override IN_TIME: u32;
override KERNEL: u32;
override STRIDE: u32;
override TAPS: u32;

fn value(beat: u32, channel: u32, t: u32) -> f32 {
    let row = (beat * IN_CHANNELS + channel) * IN_TIME;
    var sum = parameters[TAPS + IN_CHANNELS * KERNEL + channel];
    for (var k = 0u; k < KERNEL; k++) {
        // Left of the row this wraps around and is outside as well.
        let at = t * STRIDE + k - KERNEL / 2u;
        if (at < IN_TIME) {
            sum += parameters[TAPS + channel * KERNEL + k] * source[row + at];
        }
    }
    return max(sum, 0.0);
}
