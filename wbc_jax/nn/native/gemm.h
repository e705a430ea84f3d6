// The two inner loops all convolutions end in: a small block of the result stays in registers.
//
// With `half`, every float of the operands stands for two bfloat16 of neighbouring depth; their
// products are added up in float32. Depths count floats.
#pragma once

#include "runtime.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
enum { HAS_HALF = 1 };
static inline Vec add_product(Vec sum, Vec a, Vec b, int half) {
  return half ? (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b) : sum + a * b;
}
#else
enum { HAS_HALF = 0 };
static inline Vec add_product(Vec sum, Vec a, Vec b, int half) {
  (void)half;
  return sum + a * b;
}
#endif

// A block is ROWS x COLUMNS sums: 16 of 32 registers with AVX-512, 12 of 16 with AVX.
#if LANES == 16
enum { ROWS = 8, VECS = 2, GROUP = 8 };
#elif LANES == 8
enum { ROWS = 6, VECS = 2, GROUP = 4 };
#else
enum { ROWS = 4, VECS = 4, GROUP = 4 };
#endif
enum { COLUMNS = VECS * LANES };

typedef struct {
  Vec v[ROWS][VECS];
} Block;

// Blocks of sums over pixels have GROUP <= ROWS rows, which divides LANES.
typedef struct {
  Vec v[GROUP][VECS];
} GroupBlock;

// block[r] += sum over k < depth of rows[r][k] * panel[k * COLUMNS + ...]
INLINE void add_rows_times_panel(Block *block, const float *const *rows, const float *panel,
                                 int depth, const int half) {
  Block sums = *block;
  for (int k = 0; k < depth; k++) {
    Vec b[VECS];
    UNROLL for (int v = 0; v < VECS; v++) b[v] = load(panel + k * COLUMNS + v * LANES);
    UNROLL for (int r = 0; r < ROWS; r++) {
      Vec a = splat(rows[r][k]);
      UNROLL for (int v = 0; v < VECS; v++) sums.v[r][v] = add_product(sums.v[r][v], a, b[v], half);
    }
  }
  *block = sums;
}

// block[r] += sum over m < depth of group[m * GROUP + r] * panel[m * COLUMNS + ...]
INLINE void add_group_times_panel(GroupBlock *block, const float *group, const float *panel,
                                  int depth, const int half) {
  GroupBlock sums = *block;
  for (int m = 0; m < depth; m++) {
    Vec b[VECS];
    UNROLL for (int v = 0; v < VECS; v++) b[v] = load(panel + m * COLUMNS + v * LANES);
    UNROLL for (int r = 0; r < GROUP; r++) {
      Vec a = splat(group[m * GROUP + r]);
      UNROLL for (int v = 0; v < VECS; v++) sums.v[r][v] = add_product(sums.v[r][v], a, b[v], half);
    }
  }
  *block = sums;
}

// `count` floats as bfloat16, two in the place of one: memory of floats, so it is written by memcpy.
static inline void copy_as_half(float *to, const float *from, int count) {
  const size_t size = sizeof(uint16_t);
  char *halves = (char *)to;
  int i = 0;
#ifdef __AVX512BF16__
  for (; i + LANES <= count; i += LANES) {
    __m256bh packed = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + i));
    memcpy(halves + i * size, &packed, sizeof packed);
  }
#endif
  for (; i < count; i++) {
    unsigned bits;
    memcpy(&bits, from + i, sizeof bits);
    uint16_t half = (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    memcpy(halves + i * size, &half, size);
  }
  if (count % 2) memset(halves + count * size, 0, size);
}

// Copies `width` <= COLUMNS floats, padded with zeros, so that a whole row of a panel can be read.
static inline void copy_panel_row(float *to, const float *from, int width) {
  if (width == COLUMNS) {
    UNROLL for (int v = 0; v < VECS; v++) store(to + v * LANES, load(from + v * LANES));
  } else {
    for (int j = 0; j < COLUMNS; j++) to[j] = j < width ? from[j] : 0.0f;
  }
}

// Rows far apart are fetched this many ahead: the processor does not see them coming.
enum { AHEAD = 8 };
static inline void prefetch_row(const float *row) {
  for (int j = 0; j < COLUMNS; j += 16) __builtin_prefetch(row + j);
}

// Turns `depth` rows of a panel into pairs of rows, from `from` to `to` <= from.
static inline void pair_up_panel(float *to, const float *from, int depth) {
  for (int k = 0; k < depth; k += 2)
    for (int j = 0; j < COLUMNS; j += LANES) {
      Vec low = load(from + k * COLUMNS + j);
      Vec high = k + 1 < depth ? load(from + (k + 1) * COLUMNS + j) : (Vec){0};
      store(to + k / 2 * COLUMNS + j, pair_up(low, high));
    }
}

// Writes the first `width` columns of row r of a block.
static inline void store_row(float *to, const Vec *row, int width) {
  if (width == COLUMNS) {
    UNROLL for (int v = 0; v < VECS; v++) store(to + v * LANES, row[v]);
  } else {
    memcpy(to, row, (size_t)width * sizeof(float));
  }
}
