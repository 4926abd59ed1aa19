// Full convolution and ReLU: one invocation per output sample, one row of workgroups per beat.
// Activations are [beat][channel][time]; parameters are the weights [out][in][kernel], then the
// biases, from WEIGHTS on.

override IN_CHANNELS: u32;
override IN_TIME: u32;
override OUT_CHANNELS: u32;
override OUT_TIME: u32;
override KERNEL: u32;
override STRIDE: u32;
override WEIGHTS: u32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= OUT_CHANNELS * OUT_TIME) {
        return;
    }
    let channel = id.x / OUT_TIME;
    let first = (id.x % OUT_TIME) * STRIDE;
    var sum = parameters[WEIGHTS + OUT_CHANNELS * IN_CHANNELS * KERNEL + channel];
    for (var c = 0u; c < IN_CHANNELS; c++) {
        let row = (id.y * IN_CHANNELS + c) * IN_TIME;
        let taps = WEIGHTS + (channel * IN_CHANNELS + c) * KERNEL;
        for (var k = 0u; k < KERNEL; k++) {
            // Left of the row this wraps around and is outside as well.
            let t = first + k - KERNEL / 2u;
            if (t < IN_TIME) {
                sum += parameters[taps + k] * source[row + t];
            }
        }
    }
    output[id.y * OUT_CHANNELS * OUT_TIME + id.x] = max(sum, 0.0);
}
