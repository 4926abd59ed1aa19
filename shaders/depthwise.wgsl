// Depthwise convolution and ReLU: one invocation per output sample, one row of workgroups per beat.
// Parameters are the weights [channel][kernel], then the biases, from WEIGHTS on.

override CHANNELS: u32;
override IN_TIME: u32;
override OUT_TIME: u32;
override KERNEL: u32;
override STRIDE: u32;
override WEIGHTS: u32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS * OUT_TIME) {
        return;
    }
    let channel = id.x / OUT_TIME;
    let first = (id.x % OUT_TIME) * STRIDE;
    let row = (id.y * CHANNELS + channel) * IN_TIME;
    var sum = parameters[WEIGHTS + CHANNELS * KERNEL + channel];
    for (var k = 0u; k < KERNEL; k++) {
        // Left of the row this wraps around and is outside as well.
        let t = first + k - KERNEL / 2u;
        if (t < IN_TIME) {
            sum += parameters[WEIGHTS + channel * KERNEL + k] * source[row + t];
        }
    }
    output[id.y * CHANNELS * OUT_TIME + id.x] = max(sum, 0.0);
}
