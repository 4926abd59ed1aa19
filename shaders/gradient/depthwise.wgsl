// Depthwise convolution and ReLU, backwards: one invocation per value of its input, one row of
// workgroups per beat. Parameters are the weights [channel][kernel] from WEIGHTS on; `activation` is
// the part's output.

override CHANNELS: u32;
override IN_TIME: u32;
override OUT_TIME: u32;
override KERNEL: u32;
override STRIDE: u32;
override WEIGHTS: u32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read> activation: array<f32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS * IN_TIME) {
        return;
    }
    let channel = id.x / IN_TIME;
    let row = (id.y * CHANNELS + channel) * OUT_TIME;
    var sum = 0.0;
    for (var k = 0u; k < KERNEL; k++) {
        // The output whose tap k read this sample; left of the row this wraps around and is outside.
        let place = id.x % IN_TIME + KERNEL / 2u - k;
        let at = row + place / STRIDE;
        if (place % STRIDE == 0u && place / STRIDE < OUT_TIME && activation[at] > 0.0) {
            sum += parameters[WEIGHTS + channel * KERNEL + k] * source[at];
        }
    }
    output[id.y * CHANNELS * IN_TIME + id.x] = sum;
}
