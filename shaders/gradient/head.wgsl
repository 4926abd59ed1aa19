// From the logits back through the dense layer and the mean over time: one invocation per value of the
// last feature maps, one row of workgroups per beat. `of` says how much each logit counts; parameters
// are the weights [class][channel] from WEIGHTS on.

override CHANNELS: u32;
override TIME: u32;
override CLASSES: u32;
override WEIGHTS: u32;

@group(0) @binding(0) var<storage, read> of_logit: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(64)
fn run(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= CHANNELS * TIME) {
        return;
    }
    var sum = 0.0;
    for (var class_index = 0u; class_index < CLASSES; class_index++) {
        sum += of_logit[id.y * CLASSES + class_index]
            * parameters[WEIGHTS + class_index * CHANNELS + id.x / TIME];
    }
    output[id.y * CHANNELS * TIME + id.x] = sum / f32(TIME);
}
