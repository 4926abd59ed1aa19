// Full convolution with its map of the context and ReLU, backwards: one invocation per value of a
// beat's input ([channel][time], then the context), one row of workgroups per beat. Parameters are the
// weights [out][in][kernel], the biases, and the map [out][context], from WEIGHTS on; `activation` is
// the stem's output.

override IN_CHANNELS: u32;
override IN_TIME: u32;
override OUT_CHANNELS: u32;
override OUT_TIME: u32;
override KERNEL: u32;
override STRIDE: u32;
override CONTEXT: u32;
override WEIGHTS: u32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read> activation: array<f32>;

fn passed(at: u32) -> f32 {
    return select(0.0, source[at], activation[at] > 0.0);
}

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    let waveform = IN_CHANNELS * IN_TIME;
    if (id.x >= waveform + CONTEXT) {
        return;
    }
    var sum = 0.0;
    for (var out = 0u; out < OUT_CHANNELS; out++) {
        let row = (id.y * OUT_CHANNELS + out) * OUT_TIME;
        if (id.x < waveform) {
            let taps = WEIGHTS + (out * IN_CHANNELS + id.x / IN_TIME) * KERNEL;
            for (var k = 0u; k < KERNEL; k++) {
                // The output whose tap k read this sample; left of the row this wraps around.
                let place = id.x % IN_TIME + KERNEL / 2u - k;
                if (place % STRIDE == 0u && place / STRIDE < OUT_TIME) {
                    sum += parameters[taps + k] * passed(row + place / STRIDE);
                }
            }
        } else {
            var total = 0.0;
            for (var t = 0u; t < OUT_TIME; t++) {
                total += passed(row + t);
            }
            let map = WEIGHTS + OUT_CHANNELS * IN_CHANNELS * KERNEL + OUT_CHANNELS;
            sum += parameters[map + out * CONTEXT + id.x - waveform] * total;
        }
    }
    output[id.y * (waveform + CONTEXT) + id.x] = sum;
}
