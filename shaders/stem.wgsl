// Full convolution, plus a linear map of the beat's context at every output sample, and ReLU: one
// invocation per output sample, one row of workgroups per beat. A beat's input is [channel][time],
// then the context; parameters are the weights [out][in][kernel], the biases, and the map
// [out][context], from WEIGHTS on.

override IN_CHANNELS: u32;
override IN_TIME: u32;
override OUT_CHANNELS: u32;
override OUT_TIME: u32;
override KERNEL: u32;
override STRIDE: u32;
// Context values, 0 where there are none.
override CONTEXT: u32;
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
    let beat = id.y * (IN_CHANNELS * IN_TIME + CONTEXT);
    let biases = WEIGHTS + OUT_CHANNELS * IN_CHANNELS * KERNEL;
    var sum = parameters[biases + channel];
    for (var c = 0u; c < CONTEXT; c++) {
        sum += parameters[biases + OUT_CHANNELS + channel * CONTEXT + c]
            * source[beat + IN_CHANNELS * IN_TIME + c];
    }
    for (var c = 0u; c < IN_CHANNELS; c++) {
        let row = beat + c * IN_TIME;
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
