// What the kernels of batch normalization share. Arrays are [images, ..., channels]; a task takes one
// image. Channels are a multiple of LANES.
#pragma once

#include "runtime.h"

enum { WIDE = 4 };  // registers of channels that one walk over the rows takes

typedef struct {
  const float *x, *gradient, *residual;
  const float *scale, *shift;          // output = x * scale + shift (+ residual), then ReLU
  const float *center;                 // subtracted from x in the second sum
  const float *by_x, *constant;        // gradient of x = masked * scale + x * by_x + constant
  float *output, *residual_gradient;
  float *sums;                         // [image][2][channel]
  int num_images, num_rows, channels, relu;
} Norm;

static inline Norm describe_norm(XLA_FFI_Buffer *x) {
  Norm p = {.x = data(x), .num_images = dim(x, 0), .channels = dim(x, (int)x->rank - 1)};
  p.num_rows = 1;
  for (int axis = 1; axis < x->rank - 1; axis++) p.num_rows *= dim(x, axis);
  return p;
}

static inline size_t first_of(const Norm *p, int image) {
  return (size_t)image * p->num_rows * p->channels;
}

static inline float *sums_of(const Norm *p, int image, int which) {
  return p->sums + ((size_t)image * 2 + which) * p->channels;
}

// Runs walk(p, image, c, registers) over all channels of an image.
#define WALK_CHANNELS(walk, p, image)                                                  \
  for (int c = 0; c < (p)->channels;) {                                                \
    if (c + WIDE * LANES <= (p)->channels) walk(p, image, c, WIDE), c += WIDE * LANES; \
    else walk(p, image, c, 1), c += LANES;                                             \
  }

// Adds the images' sums up, always in the same order.
static inline void add_sums(const Norm *p, float *first, float *second) {
  memset(first, 0, (size_t)p->channels * sizeof(float));
  memset(second, 0, (size_t)p->channels * sizeof(float));
  for (int image = 0; image < p->num_images; image++)
    for (int c = 0; c < p->channels; c++) {
      first[c] += sums_of(p, image, 0)[c];
      second[c] += sums_of(p, image, 1)[c];
    }
}

// `of` where `value` is positive, or no number: that is passed on, not hidden.
static inline Vec positive(Vec value, Vec of) { return where(value <= 0, (Vec){0}, of); }
