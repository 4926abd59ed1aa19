// Global average pooling and the dense layer: one workgroup per beat. Parameters are the weights
// [class][channel], then the biases, from WEIGHTS on.

override CHANNELS: u32;
override TIME: u32;
override CLASSES: u32;
override WEIGHTS: u32;

const THREADS = 64u;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(64)
fn run(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let beat = group.y;
    for (var class_index = 0u; class_index < CLASSES; class_index++) {
        var sum = 0.0;
        for (var c = thread; c < CHANNELS; c += THREADS) {
            var total = 0.0;
            for (var t = 0u; t < TIME; t++) {
                total += source[(beat * CHANNELS + c) * TIME + t];
            }
            sum += parameters[WEIGHTS + class_index * CHANNELS + c] * (total / f32(TIME));
        }
        sums[thread] = sum;
        workgroupBarrier();
        for (var half = THREADS / 2u; half > 0u; half /= 2u) {
            if (thread < half) {
                sums[thread] += sums[thread + half];
            }
            workgroupBarrier();
        }
        if (thread == 0u) {
            output[beat * CLASSES + class_index] =
                sums[0] + parameters[WEIGHTS + CLASSES * CHANNELS + class_index];
        }
        workgroupBarrier();
    }
}
