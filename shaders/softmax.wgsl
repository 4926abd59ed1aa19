// Calibrated probabilities of a beat from its logits: softmax(logits / TEMPERATURE), one invocation
// per beat.

override CLASSES: u32;
override CAPACITY: u32;
override TEMPERATURE: f32;

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CAPACITY) {
        return;
    }
    let row = id.x * CLASSES;
    var largest = source[row];
    for (var i = 1u; i < CLASSES; i++) {
        largest = max(largest, source[row + i]);
    }
    var total = 0.0;
    for (var i = 0u; i < CLASSES; i++) {
        total += exp((source[row + i] - largest) / TEMPERATURE);
    }
    for (var i = 0u; i < CLASSES; i++) {
        output[row + i] = exp((source[row + i] - largest) / TEMPERATURE) / total;
    }
}
