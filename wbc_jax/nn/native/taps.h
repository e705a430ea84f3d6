// Which pixels a convolution reads where: the geometry of the direct sum.
#pragma once

#include "gemm.h"

enum { CHUNK_ROWS = 256 };

typedef struct {
  int batch, height, width;            // of the pixels gone through: rows of the product
  int source_height, source_width;     // of the pixels read at each tap
  int source_channels;
  int kernel_height, kernel_width;     // taps, 1 across where rows of taps are read at once
  int stride_y, stride_x, top, left;
  int depth;                           // floats read at each tap
  int backwards;                       // from output pixels to input pixels
  int by_position;                     // rows of one position follow each other
} Taps;

typedef struct {
  int n, y, x;
} Pixel;

static inline int num_rows(const Taps *t) { return t->batch * t->height * t->width; }
static inline int num_taps(const Taps *t) { return t->kernel_height * t->kernel_width; }

static inline Pixel pixel_of_row(const Taps *t, int row) {
  Pixel p;
  if (t->by_position) {
    int position = row / t->batch;
    p = (Pixel){row - position * t->batch, position / t->width, position % t->width};
  } else {
    int line = row / t->width;
    p = (Pixel){line / t->height, line % t->height, row - line * t->width};
  }
  return p;
}

// The pixel of the row after; cheaper than dividing its number anew.
static inline Pixel next_pixel(const Taps *t, Pixel p) {
  if (t->by_position && ++p.n < t->batch) return p;
  if (t->by_position) p.n = 0;
  if (++p.x < t->width) return p;
  p.x = 0;
  if (++p.y < t->height) return p;
  p.y = 0;
  p.n += !t->by_position;
  return p;
}

static inline size_t offset_of(const Taps *t, Pixel p) {
  return ((size_t)p.n * t->height + p.y) * t->width + p.x;
}

// The floats that tap (ky, kx) of a pixel reads, NULL outside of the image.
static inline const float *source(const Taps *t, const float *image, Pixel p, int ky, int kx) {
  int y = p.y + t->top - ky, x = p.x + t->left - kx;
  if (!t->backwards) {
    y = p.y * t->stride_y - t->top + ky;
    x = p.x * t->stride_x - t->left + kx;
  } else if (t->stride_y != 1 || t->stride_x != 1) {
    if (y % t->stride_y || x % t->stride_x) return NULL;
    y /= t->stride_y;
    x /= t->stride_x;
  }
  if ((unsigned)y >= (unsigned)t->source_height || (unsigned)x >= (unsigned)t->source_width)
    return NULL;
  return image + (((size_t)p.n * t->source_height + y) * t->source_width + x) * t->source_channels;
}

// A pixel whose taps all lie in the image is read at the place of its first tap and, for the others,
// so many floats on. Strided gradients have no such pixels.
static inline int is_interior(const Taps *t, Pixel p) {
  int y = p.y * t->stride_y - t->top, x = p.x * t->stride_x - t->left;
  if (t->backwards) {
    if (t->stride_y != 1 || t->stride_x != 1) return 0;
    y = p.y + t->top - (t->kernel_height - 1);
    x = p.x + t->left - (t->kernel_width - 1);
  }
  return y >= 0 && x >= 0 && y + t->kernel_height <= t->source_height &&
         x + t->kernel_width <= t->source_width;
}

static inline ptrdiff_t tap_offset(const Taps *t, int ky, int kx) {
  ptrdiff_t offset = ((ptrdiff_t)ky * t->source_width + kx) * t->source_channels;
  return t->backwards ? -offset : offset;
}

// Without padding at the sides, the taps of one kernel row lie side by side in memory.
static inline void merge_taps(Taps *t, int no_side_padding) {
  if (no_side_padding && !t->backwards) {
    t->depth *= t->kernel_width;
    t->kernel_width = 1;
  }
}

static inline Taps describe_taps(XLA_FFI_Buffer *image, XLA_FFI_Buffer *kernel, XLA_FFI_Buffer *output,
                            const int64_t *attributes) {
  Taps t = {dim(image, 0), dim(output, 1), dim(output, 2), dim(image, 1), dim(image, 2),
            dim(image, 3), dim(kernel, 0), dim(kernel, 1)};
  t.stride_y = (int)attributes[0];
  t.stride_x = (int)attributes[1];
  t.top = (int)attributes[2];
  t.left = (int)attributes[3];
  t.depth = t.source_channels;
  int last = (t.width - 1) * t.stride_x + t.kernel_width - t.left;
  merge_taps(&t, t.left == 0 && last <= t.source_width);
  t.by_position = t.batch >= ROWS && t.height * t.width <= 16;
  return t;
}
