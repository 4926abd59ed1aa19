// Pointwise convolution, backwards: one invocation per value of its input, one row of workgroups per
// beat. `source` is the gradient of the part's output, `activation` that output, through whose ReLU
// nothing goes where it is zero. Parameters are the weights [out][in] from WEIGHTS on. With ADD the
// output holds the gradient that goes past the part, by way of its residual.

override IN_CHANNELS: u32;
override OUT_CHANNELS: u32;
override OUT_TIME: u32;
override WEIGHTS: u32;
override RELU: bool;
override ADD: bool;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read> activation: array<f32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= IN_CHANNELS * OUT_TIME) {
        return;
    }
    let channel = id.x / OUT_TIME;
    let t = id.x % OUT_TIME;
    var sum = 0.0;
    for (var out = 0u; out < OUT_CHANNELS; out++) {
        let at = (id.y * OUT_CHANNELS + out) * OUT_TIME + t;
        if (!RELU || activation[at] > 0.0) {
            sum += parameters[WEIGHTS + out * IN_CHANNELS + channel] * source[at];
        }
    }
    let to = id.y * IN_CHANNELS * OUT_TIME + id.x;
    if (ADD) {
        sum += output[to];
    }
    output[to] = sum;
}
