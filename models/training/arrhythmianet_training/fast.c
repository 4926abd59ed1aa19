/* Depthwise convolution (kernel 7, padding 3) and batch normalisation with ReLU, forward and backward, for training on
 * one CPU core. Feature maps are [channels][batch][time], so that a channel is one contiguous row. See fast.py. */

#include <math.h>
#include <string.h>

#define K 7
#define PAD 3
#define LONGEST 64

/* One row split by parity, padded: even[i] = padded[2i], odd[i] = padded[2i + 1]. */
#define DEPTHWISE(T, S)                                                                                               \
    static void forward_##T##_##S(const float *x, const float *w, float *y, long batch) {                             \
        enum { OUT = (T - 1) / S + 1 };                                                                               \
        float padded[T + 2 * PAD] = {0};                                                                              \
        for (long b = 0; b < batch; b++, x += T, y += OUT) {                                                          \
            memcpy(padded + PAD, x, T * sizeof(float));                                                               \
            for (int t = 0; t < OUT; t++) {                                                                           \
                float sum = 0;                                                                                        \
                for (int k = 0; k < K; k++) sum += w[k] * padded[S * t + k];                                          \
                y[t] = sum;                                                                                           \
            }                                                                                                         \
        }                                                                                                             \
    }                                                                                                                 \
    static void backward_##T##_##S(const float *dy, const float *x, const float *w, float *dx, float *dw, long batch) { \
        enum { OUT = (T - 1) / S + 1 };                                                                               \
        float padded[T + 2 * PAD] = {0}, lanes[K][OUT];                                                               \
        memset(lanes, 0, sizeof lanes);                                                                               \
        for (long b = 0; b < batch; b++, x += T, dy += OUT, dx += T) {                                                \
            float back[T + 2 * PAD];                                                                                  \
            memset(back, 0, sizeof back);                                                                             \
            memcpy(padded + PAD, x, T * sizeof(float));                                                               \
            for (int k = 0; k < K; k++)                                                                               \
                for (int t = 0; t < OUT; t++) {                                                                       \
                    lanes[k][t] += dy[t] * padded[S * t + k];                                                         \
                    back[S * t + k] += w[k] * dy[t];                                                                  \
                }                                                                                                     \
            memcpy(dx, back + PAD, T * sizeof(float));                                                                \
        }                                                                                                             \
        for (int k = 0; k < K; k++) {                                                                                 \
            float sum = 0;                                                                                            \
            for (int t = 0; t < OUT; t++) sum += lanes[k][t];                                                         \
            dw[k] = sum;                                                                                              \
        }                                                                                                             \
    }

DEPTHWISE(64, 1)
DEPTHWISE(64, 2)
DEPTHWISE(32, 1)
DEPTHWISE(32, 2)
DEPTHWISE(16, 1)
DEPTHWISE(16, 2)
DEPTHWISE(8, 1)

#define EACH(CALL)                                                                                                    \
    CALL(64, 1) CALL(64, 2) CALL(32, 1) CALL(32, 2) CALL(16, 1) CALL(16, 2) CALL(8, 1)

/* Returns 0, or 1 where this length and stride are not provided for. */
int depthwise_forward(const float *x, const float *w, float *y, long channels, long batch, long time, long stride) {
    long out = (time - 1) / stride + 1;
    for (long c = 0; c < channels; c++, x += batch * time, y += batch * out, w += K) {
#define CALL(T, S)                                                                                                    \
    if (time == T && stride == S) {                                                                                   \
        forward_##T##_##S(x, w, y, batch);                                                                            \
        continue;                                                                                                     \
    }
        EACH(CALL)
#undef CALL
        return 1;
    }
    return 0;
}

int depthwise_backward(const float *dy, const float *x, const float *w, float *dx, float *dw, long channels, long batch,
                       long time, long stride) {
    long out = (time - 1) / stride + 1;
    for (long c = 0; c < channels; c++, x += batch * time, dx += batch * time, dy += batch * out, w += K, dw += K) {
#define CALL(T, S)                                                                                                    \
    if (time == T && stride == S) {                                                                                   \
        backward_##T##_##S(dy, x, w, dx, dw, batch);                                                                  \
        continue;                                                                                                     \
    }
        EACH(CALL)
#undef CALL
        return 1;
    }
    return 0;
}

/* y = [relu](gamma (x - mean) / sqrt(var + eps) + beta) over rows of n; keeps mean, population variance, 1/deviation. */
void norm_forward(const float *x, const float *gamma, const float *beta, float *y, float *mean, float *variance,
                  float *inverse, long channels, long n, float eps, int relu) {
    for (long c = 0; c < channels; c++, x += n, y += n) {
        float sum = 0, squares = 0;
        for (long i = 0; i < n; i++) sum += x[i];
        float m = sum / n;
        for (long i = 0; i < n; i++) squares += (x[i] - m) * (x[i] - m);
        mean[c] = m;
        variance[c] = squares / n;
        inverse[c] = 1 / sqrtf(variance[c] + eps);
        float a = gamma[c] * inverse[c], b = beta[c] - m * a;
        if (relu)
            for (long i = 0; i < n; i++) y[i] = fmaxf(0, a * x[i] + b);
        else
            for (long i = 0; i < n; i++) y[i] = a * x[i] + b;
    }
}

void norm_backward(const float *dy, const float *x, const float *y, const float *gamma, const float *mean,
                   const float *inverse, float *dx, float *dgamma, float *dbeta, long channels, long n, int relu) {
    for (long c = 0; c < channels; c++, x += n, y += n, dy += n, dx += n) {
        float m = mean[c], v = inverse[c], sum = 0, product = 0;
        for (long i = 0; i < n; i++) {
            float g = !relu || y[i] > 0 ? dy[i] : 0;
            sum += g;
            product += g * (x[i] - m) * v;
        }
        dbeta[c] = sum;
        dgamma[c] = product;
        float scale = gamma[c] * v, a = sum / n, b = product / n * v;
        for (long i = 0; i < n; i++) {
            float g = !relu || y[i] > 0 ? dy[i] : 0;
            dx[i] = scale * (g - a - (x[i] - m) * b);
        }
    }
}
