// Pointwise convolution, with ReLU or a residual where asked for. Parameters are the weights
// [out][in], then the biases, from WEIGHTS on. The product is in tile.wgsl.

fn value(beat: u32, channel: u32, t: u32) -> f32 {
    return source[(beat * IN_CHANNELS + channel) * OUT_TIME + t];
}
