// Windows of a pooling, NHWC. Channels are a multiple of LANES.
#pragma once

#include "runtime.h"

// What is no number is larger than any: it is passed on, not hidden.
static inline Vec larger(Vec best, Vec value) {
  return where((value > best) | (value != value), value, best);
}

typedef struct {
  const float *x, *gradient;
  float *output;
  int height, width, out_height, out_width, channels;
  int window_y, window_x, stride_y, stride_x, top, left;
} Pool;

static inline Pool describe_pool(XLA_FFI_Buffer *x, XLA_FFI_Buffer *pooled, const int64_t *geometry) {
  Pool p = {.x = data(x), .height = dim(x, 1), .width = dim(x, 2), .channels = dim(x, 3),
            .out_height = dim(pooled, 1), .out_width = dim(pooled, 2)};
  p.window_y = (int)geometry[0];
  p.window_x = (int)geometry[1];
  p.stride_y = (int)geometry[2];
  p.stride_x = (int)geometry[3];
  p.top = (int)geometry[4];
  p.left = (int)geometry[5];
  return p;
}

// Pixels of a window: rows [y, last_y), columns [x, last_x).
typedef struct {
  int y, x, last_y, last_x;
} Window;

static inline Window window_of(const Pool *p, int out_y, int out_x) {
  int y = out_y * p->stride_y - p->top, x = out_x * p->stride_x - p->left;
  return (Window){max_int(y, 0), max_int(x, 0), min_int(y + p->window_y, p->height),
                  min_int(x + p->window_x, p->width)};
}

static inline size_t pixel(const Pool *p, int n, int y, int x) {
  return (((size_t)n * p->height + y) * p->width + x) * p->channels;
}

// Windows side by side, each pixel in exactly one: every gradient is written once.
static inline int is_tiling(const Pool *p) {
  return p->window_y == p->stride_y && p->window_x == p->stride_x && p->top == 0 && p->left == 0 &&
         p->out_height * p->stride_y >= p->height && p->out_width * p->stride_x >= p->width;
}
