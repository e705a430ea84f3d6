// Winograd's transforms along one axis and along both, for tiles of 6 or 8 pixels.
//
// A tile of `side` pixels is a polynomial taken at `side` points: 0, -+q for each of `pairs` numbers
// q, infinity. A kernel of `taps` taps then gives side + 1 - taps outputs with side products: 4x4
// outputs of a 3x3 kernel from 6x6 products instead of 144. The points keep float32's rounding error
// near that of the direct sum. Source: Lavin and Gray (2016), section 4; Barabasz et al. (2020).
#pragma once

#include "gemm.h"

enum { MAX_SIDE = 8, MAX_POINTS = MAX_SIDE * MAX_SIDE, MAX_TAPS = 25, MAX_OUTPUTS = 36 };

#define SIDE(pairs) (2 * (pairs) + 2)
#define OUTPUTS(pairs, taps) (SIDE(pairs) + 1 - (taps))

// q^0, q^1, ... for two pairs, sqrt(1/2) and sqrt(2), and for three, 1/2, 1 and 2.
static const float POWERS[2][3][6] = {
    {{1, 0.70710678f, 0.5f, 0.35355339f, 0.25f, 0}, {1, 1.41421356f, 2, 2.82842712f, 4, 0}},
    {{1, 0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f}, {1, 1, 1, 1, 1, 1}, {1, 2, 4, 8, 16, 32}}};
// Coefficients in x^2 of the product of (x^2 - q^2) over all pairs, and over all but one.
static const float PRODUCT[2][4] = {{1, -2.5f, 1}, {-1, 5.25f, -5.25f, 1}};
static const float OTHERS[2][3][3] = {{{-2, 1}, {-0.5f, 1}},
                                      {{4, -5, 1}, {1, -4.25f, 1}, {0.25f, -1.25f, 1}}};
// One over the product of a point's distances to all others: of 0, and of each q.
static const float SCALE_0[2] = {1, -1};
static const float SCALE[2][3] = {{-2.0f / 3, 1.0f / 6}, {32.0f / 45, -2.0f / 9, 1.0f / 90}};

// The functions along one axis read `in`, values a stride apart, and write `out` likewise.
#define AXIS Vec *out, int o, const Vec *in, int s

// Pixels to points.
INLINE void image_to_points(AXIS, const int pairs) {
  const int last = SIDE(pairs) - 1;
  Vec at_0 = {0}, at_infinity = {0};
  UNROLL for (int j = 0; j <= pairs; j++) {
    at_0 += PRODUCT[pairs - 2][j] * in[2 * j * s];
    at_infinity += PRODUCT[pairs - 2][j] * in[(2 * j + 1) * s];
  }
  out[0] = at_0;
  out[last * o] = at_infinity;
  UNROLL for (int q = 0; q < pairs; q++) {
    Vec even = {0}, odd = {0};
    UNROLL for (int j = 0; j < pairs; j++) {
      even += OTHERS[pairs - 2][q][j] * in[(2 * j + 2) * s];
      odd += OTHERS[pairs - 2][q][j] * in[(2 * j + 1) * s];
    }
    odd *= POWERS[pairs - 2][q][1];
    out[(2 * q + 1) * o] = even + odd;
    out[(2 * q + 2) * o] = even - odd;
  }
}

// Points to `number` values: the polynomial's coefficients. `scaled`: the points' scales apply.
INLINE void points_to_values(AXIS, const int pairs, const int number, const int scaled) {
  const int last = SIDE(pairs) - 1;
  Vec sum[3], difference[3];
  UNROLL for (int q = 0; q < pairs; q++) {
    float scale = scaled ? SCALE[pairs - 2][q] : 1;
    sum[q] = scale * (in[(2 * q + 1) * s] + in[(2 * q + 2) * s]);
    difference[q] = scale * (in[(2 * q + 1) * s] - in[(2 * q + 2) * s]);
  }
  UNROLL for (int i = 0; i < number; i++) {
    Vec value = {0};
    UNROLL for (int q = 0; q < pairs; q++)
      value += POWERS[pairs - 2][q][i] * (i % 2 ? difference[q] : sum[q]);
    if (i == 0) value += (scaled ? SCALE_0[pairs - 2] : 1) * in[0];
    if (i == number - 1) value += in[last * s];
    out[i * o] = value;
  }
}

// The transpose of the last.
INLINE void values_to_points(AXIS, const int pairs, const int number, const int scaled) {
  out[0] = (scaled ? SCALE_0[pairs - 2] : 1) * in[0];
  out[(SIDE(pairs) - 1) * o] = in[(number - 1) * s];
  UNROLL for (int q = 0; q < pairs; q++) {
    float scale = scaled ? SCALE[pairs - 2][q] : 1;
    Vec even = {0}, odd = {0};
    UNROLL for (int i = 0; i < number; i++)
      if (i % 2) odd += (scale * POWERS[pairs - 2][q][i]) * in[i * s];
      else even += (scale * POWERS[pairs - 2][q][i]) * in[i * s];
    out[(2 * q + 1) * o] = even + odd;
    out[(2 * q + 2) * o] = even - odd;
  }
}

// Both axes: a square of `from` x `from` becomes one of `to` x `to`.
#define BOTH_AXES(from, to, transform, ...)                                                       \
  Vec half[MAX_POINTS];                                                                           \
  UNROLL for (int x = 0; x < (from); x++) transform(half + x, from, in + x, from, __VA_ARGS__);   \
  UNROLL for (int y = 0; y < (to); y++) transform(out + y * (to), 1, half + y * (from), 1,        \
                                                  __VA_ARGS__)

INLINE void tile_to_points(Vec *out, const Vec *in, const int pairs) {
  BOTH_AXES(SIDE(pairs), SIDE(pairs), image_to_points, pairs);
}
INLINE void points_to_outputs(Vec *out, const Vec *in, const int pairs, const int taps) {
  const int size = OUTPUTS(pairs, taps);
  BOTH_AXES(SIDE(pairs), size, points_to_values, pairs, size, 0);
}
INLINE void outputs_to_points(Vec *out, const Vec *in, const int pairs, const int taps) {
  const int size = OUTPUTS(pairs, taps);
  BOTH_AXES(size, SIDE(pairs), values_to_points, pairs, size, 0);
}
INLINE void taps_to_points(Vec *out, const Vec *in, const int pairs, const int taps) {
  BOTH_AXES(taps, SIDE(pairs), values_to_points, pairs, taps, 1);
}
INLINE void points_to_taps(Vec *out, const Vec *in, const int pairs, const int taps) {
  BOTH_AXES(SIDE(pairs), taps, points_to_values, pairs, taps, 1);
}
