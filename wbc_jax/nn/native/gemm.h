// The two inner loops all convolutions end in: a small block of the result stays in registers.
#pragma once

#include "runtime.h"

// The block: ROWS x COLUMNS sums. 16 of 32 registers with AVX-512, 12 of 16 with AVX.
#if LANES == 16
enum { ROWS = 8, VECS = 2 };
#elif LANES == 8
enum { ROWS = 6, VECS = 2 };
#else
enum { ROWS = 4, VECS = 4 };
#endif
enum { COLUMNS = VECS * LANES };

typedef struct {
  Vec v[ROWS][VECS];
} Block;

// block[r] += sum over k < depth of rows[r][k] * panel[k * COLUMNS + ...]
INLINE void add_rows_times_panel(Block *block, const float *const *rows, const float *panel,
                                 int depth) {
  Block sums = *block;
  for (int k = 0; k < depth; k++) {
    Vec b[VECS];
    UNROLL for (int v = 0; v < VECS; v++) b[v] = load(panel + k * COLUMNS + v * LANES);
    UNROLL for (int r = 0; r < ROWS; r++) {
      Vec a = splat(rows[r][k]);
      UNROLL for (int v = 0; v < VECS; v++) sums.v[r][v] += a * b[v];
    }
  }
  *block = sums;
}

// The same for rows a multiple of 2 KB apart, which crowd into one set of the nearest cache: copied
// out a piece at a time. 4x4x1024 -> 256, 1x1: 2.0 ms to 1.7.
enum { CROWDED = 512, PIECE = 256 };

static void add_crowded_rows_times_panel(Block *block, const float *const *rows,
                                         const float *panel, int depth) {
  float copy[ROWS][PIECE + LANES];
  for (int k = 0; k < depth; k += PIECE) {
    const float *copied[ROWS];
    int piece = min_int(PIECE, depth - k);
    for (int r = 0; r < ROWS; r++) {
      copied[r] = memcpy(copy[r], rows[r] + k, (size_t)piece * sizeof(float));
    }
    add_rows_times_panel(block, copied, panel + (size_t)k * COLUMNS, piece);
  }
}

// block[r] += sum over m < depth of columns[m][offset + r] * panel[m * COLUMNS + ...], the first
// `num_rows` of them.
INLINE void add_columns_times_panel_n(Block *block, const float *const *columns, int offset,
                                      const float *panel, int depth, const int num_rows) {
  Block sums = *block;
  for (int m = 0; m < depth; m++) {
    const float *a = columns[m] + offset;
    Vec b[VECS];
    UNROLL for (int v = 0; v < VECS; v++) b[v] = load(panel + m * COLUMNS + v * LANES);
    UNROLL for (int r = 0; r < num_rows; r++) {
      Vec x = splat(a[r]);
      UNROLL for (int v = 0; v < VECS; v++) sums.v[r][v] += x * b[v];
    }
  }
  *block = sums;
}

static void add_columns_times_panel(Block *block, const float *const *columns, int offset,
                                    const float *panel, int depth, int num_rows) {
  switch (num_rows) {
#define CASE(n)                                                                          \
  case n:                                                                                \
    if (n <= ROWS) add_columns_times_panel_n(block, columns, offset, panel, depth, n);   \
    return;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7)
#undef CASE
    default:
      add_columns_times_panel_n(block, columns, offset, panel, depth, ROWS);
  }
}

// Copies `width` <= COLUMNS floats, padded with zeros, so that a whole row of a panel can be read.
static inline void copy_panel_row(float *to, const float *from, int width) {
  if (width == COLUMNS) {
    UNROLL for (int v = 0; v < VECS; v++) store(to + v * LANES, load(from + v * LANES));
  } else {
    for (int j = 0; j < COLUMNS; j++) to[j] = j < width ? from[j] : 0.0f;
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
