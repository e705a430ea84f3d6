// What the three directions of Winograd's convolution share; see tiles.h for the transforms.
//
// Tiles are taken a group at a time. Many tiles: a task takes a group from image to outputs, small
// enough to stay in the cache of its core. Few: the transformed kernel is by far the largest array;
// it is then made a piece at a time, used and forgotten, by one task per panel of features. Channels
// and features are multiples of LANES.
#pragma once

#include "tiles.h"

enum {
  GROUP_BYTES = 4 << 20,
  MIN_GROUP = 128,
  OWN_GROUP_BYTES = 1 << 19,
  TILES_PER_TASK = 16,
  CHANNELS_PER_TASK = 32,
  CHANNELS_PER_PIECE = 64,
};

typedef struct {
  const float *image, *kernel, *bias;
  float *output;                       // its gradient, where the kernel's gradient is made
  int batch, height, width, channels;  // of the image
  int out_height, out_width, features;
  int top, left, taps;                 // padding; taps of the kernel
  int pairs, size, num_points;         // see tiles.h; outputs per tile; points of both axes
  int transposed;                      // kernel turned around, features in the place of channels
  int tiles_y, tiles_x, num_tiles, num_panels;
  int group, first, count;             // tiles per group; the group at work
  int half;                            // operands of the products as bfloat16, see gemm.h
  float *image_points;                 // [point][tile][channel], the channels paired with half;
                                       // for the kernel's gradient [point][group][tile][GROUP],
  float *output_points;                // [point][panel][tile][COLUMNS], there the tiles paired
  float *kernel_points;                // [point][panel][channel][COLUMNS], the channels paired
  float *kernel_gradient, *bias_sums;  // bias_sums: [task of tiles][panel][COLUMNS]
  int adds;                            // to what kernel_points holds of groups before
} Winograd;

typedef struct {
  int n, y, x;  // image; row and column of the tile's first output
} Tile;

static inline Tile tile_at(const Winograd *w, int i) {
  int line = i / w->tiles_x;
  return (Tile){line / w->tiles_y, line % w->tiles_y * w->size, (i - line * w->tiles_x) * w->size};
}

static inline int fits_one_group(const Winograd *w) { return w->group == w->num_tiles; }

// Floats that so many channels, or tiles, take once they are paired up.
static inline int paired(const Winograd *w, int number) {
  return w->half ? div_up(number, 2) : number;
}

static inline float *image_row(const Winograd *w, int point, int tile) {
  return w->image_points + ((size_t)point * w->count + tile) * paired(w, w->channels);
}
static inline float *image_group(const Winograd *w, int point, int group) {
  return w->image_points +
         ((size_t)point * (w->channels / GROUP) + group) * paired(w, w->count) * GROUP;
}
static inline float *output_panel(const Winograd *w, int point, int panel) {
  return w->output_points + ((size_t)point * w->num_panels + panel) * w->count * COLUMNS;
}
static inline float *kernel_panel(const Winograd *w, int point, int panel) {
  return w->kernel_points + ((size_t)point * w->num_panels + panel) * w->channels * COLUMNS;
}
static inline int num_tile_tasks(const Winograd *w) { return div_up(w->count, TILES_PER_TASK); }

static inline size_t bytes_per_tile(const Winograd *w) {
  return (size_t)w->num_points * (w->channels + w->num_panels * COLUMNS) * sizeof(float);
}

// Fills in what follows from shapes and attributes (top, left, pairs, half).
void winograd_prepare(Winograd *w, const int64_t *attributes);

// Takes memory of the calling thread for the points of one group.
void winograd_take_memory(Winograd *w);

// Transforms TILES_PER_TASK tiles of the image, the i-th so many of the group.
void winograd_image_task(void *winograd, int i);

// Writes lanes of tile `t`, as one half of a pair with `half`: tiles come in order.
INLINE void put_tile(float *to, Vec value, int t, int half, int lanes) {
  Bits bits = rounded(value), before = {0};
  if (half && t % 2) memcpy(&before, to, (size_t)lanes * sizeof(float));
  if (half) value = (Vec)(t % 2 ? before | (bits & 0xffff0000u) : bits >> 16);
  memcpy(to, &value, (size_t)lanes * sizeof(float));
}

// Calls f(..., pairs, taps) with constants, for which the compiler unrolls its loops.
#define WITH_CONSTANTS(w, f, ...)                         \
  switch ((w)->pairs * 10 + (w)->taps) {                  \
    case 23: f(__VA_ARGS__, 2, 3); break;                 \
    case 25: f(__VA_ARGS__, 2, 5); break;                 \
    case 33: f(__VA_ARGS__, 3, 3); break;                 \
    default: f(__VA_ARGS__, 3, 5);                        \
  }
