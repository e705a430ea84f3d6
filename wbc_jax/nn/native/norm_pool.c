// Batch normalization, ReLU and a max pooling whose windows lie side by side, in half the passes over
// memory: what lies between them is computed anew where it is needed.

#include "norm.h"
#include "pool.h"

typedef struct {
  Norm norm;
  Pool pool;
} NormPool;

INLINE Vec before_relu(const NormPool *p, size_t i, int c) {
  return load(p->norm.x + i) * load(p->norm.scale + c) + load(p->norm.shift + c);
}

INLINE Vec largest(const NormPool *p, int n, Window w, int c) {
  Vec best = before_relu(p, pixel(&p->pool, n, w.y, w.x) + c, c);
  for (int y = w.y; y < w.last_y; y++)
    for (int x = w.x; x < w.last_x; x++) {
      Vec value = before_relu(p, pixel(&p->pool, n, y, x) + c, c);
      best = larger(best, value);
    }
  return best;
}

static inline size_t pooled_pixel(const Pool *p, int n, int y, int x) {
  return (((size_t)n * p->out_height + y) * p->out_width + x) * p->channels;
}

#define FOR_WINDOWS(p, y, x)                         \
  for (int y = 0; y < (p)->pool.out_height; y++)     \
    for (int x = 0; x < (p)->pool.out_width; x++)

static void forward_task(void *context, int n) {
  const NormPool *p = context;
  FOR_WINDOWS(p, out_y, out_x) {
    Window w = window_of(&p->pool, out_y, out_x);
    size_t out = pooled_pixel(&p->pool, n, out_y, out_x);
    for (int c = 0; c < p->pool.channels; c += LANES) {
      Vec best = largest(p, n, w, c);
      store(p->norm.output + out + c, positive(best, best));
    }
  }
}

static NormPool describe(XLA_FFI_CallFrame *call, XLA_FFI_Buffer *pooled, int scale) {
  XLA_FFI_Buffer *x = argument(call, 0);
  NormPool p = {describe_norm(x), describe_pool(x, pooled, attribute(call))};
  p.norm.scale = data(argument(call, scale));
  p.norm.shift = data(argument(call, scale + 1));
  return p;
}

// Attributes of all three: window down and across, twice (as stride), padding above, to the left (0).

// (x, scale, shift) -> pooled.
XLA_FFI_Error *wbc_affine_pool(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  NormPool p = describe(call, result(call, 0), 1);
  p.norm.output = data(result(call, 0));
  parallel_for(call, p.norm.num_images, forward_task, &p);
  return NULL;
}

static void sums_task(void *context, int n) {
  const NormPool *p = context;
  float *sums = sums_of(&p->norm, n, 0), *products = sums_of(&p->norm, n, 1);
  memset(sums, 0, (size_t)p->pool.channels * 2 * sizeof(float));
  FOR_WINDOWS(p, out_y, out_x) {
    Window w = window_of(&p->pool, out_y, out_x);
    size_t out = pooled_pixel(&p->pool, n, out_y, out_x);
    for (int c = 0; c < p->pool.channels; c += LANES) {
      Vec best = largest(p, n, w, c), left = positive(best, load(p->norm.gradient + out + c));
      Vec center = load(p->norm.center + c), product = load(products + c);
      store(sums + c, load(sums + c) + left);
      for (int y = w.y; y < w.last_y; y++)
        for (int x = w.x; x < w.last_x; x++) {
          size_t i = pixel(&p->pool, n, y, x) + c;
          Mask wins = before_relu(p, i, c) == best;
          product += where(wins, left, (Vec){0}) * (load(p->norm.x + i) - center);
          left = where(wins, (Vec){0}, left);
        }
      store(products + c, product);
    }
  }
}

// (x, gradient, scale, shift, center) -> sum of the gradient before the ReLU, and of that times
// (x - center), per channel.
XLA_FFI_Error *wbc_affine_pool_sums(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  NormPool p = describe(call, argument(call, 1), 2);
  p.norm.gradient = data(argument(call, 1));
  p.norm.center = data(argument(call, 4));
  size_t size = (size_t)p.norm.num_images * 2 * p.norm.channels * sizeof(float);
  p.norm.sums = scratch(SCRATCH_SLOTS, size);
  parallel_for(call, p.norm.num_images, sums_task, &p);
  add_sums(&p.norm, data(result(call, 0)), data(result(call, 1)));
  return NULL;
}

static void gradient_task(void *context, int n) {
  const NormPool *p = context;
  FOR_WINDOWS(p, out_y, out_x) {
    Window w = window_of(&p->pool, out_y, out_x);
    size_t out = pooled_pixel(&p->pool, n, out_y, out_x);
    for (int c = 0; c < p->pool.channels; c += LANES) {
      Vec best = largest(p, n, w, c), left = positive(best, load(p->norm.gradient + out + c));
      Vec scale = load(p->norm.scale + c), by_x = load(p->norm.by_x + c);
      Vec constant = load(p->norm.constant + c);
      for (int y = w.y; y < w.last_y; y++)
        for (int x = w.x; x < w.last_x; x++) {
          size_t i = pixel(&p->pool, n, y, x) + c;
          Mask wins = before_relu(p, i, c) == best;
          store(p->norm.output + i, where(wins, left, (Vec){0}) * scale +
                                        load(p->norm.x + i) * by_x + constant);
          left = where(wins, (Vec){0}, left);
        }
    }
  }
}

// (x, gradient, scale, shift, by_x, constant) -> gradient of x.
XLA_FFI_Error *wbc_affine_pool_gradient(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  NormPool p = describe(call, argument(call, 1), 2);
  p.norm.gradient = data(argument(call, 1));
  p.norm.by_x = data(argument(call, 4));
  p.norm.constant = data(argument(call, 5));
  p.norm.output = data(result(call, 0));
  parallel_for(call, p.norm.num_images, gradient_task, &p);
  return NULL;
}
