// Max pooling and its gradient, NHWC. Padding never wins; of equal values the first has the gradient.
// A task takes one image. Channels are a multiple of LANES.

#include "pool.h"

INLINE Vec largest(const Pool *p, int n, Window w, int c) {
  Vec best = load(p->x + pixel(p, n, w.y, w.x) + c);
  for (int y = w.y; y < w.last_y; y++)
    for (int x = w.x; x < w.last_x; x++) {
      Vec value = load(p->x + pixel(p, n, y, x) + c);
      best = larger(best, value);
    }
  return best;
}

static void pool_task(void *context, int n) {
  const Pool *p = context;
  float *to = p->output + (size_t)n * p->out_height * p->out_width * p->channels;
  for (int y = 0; y < p->out_height; y++)
    for (int x = 0; x < p->out_width; x++) {
      Window window = window_of(p, y, x);
      for (int c = 0; c < p->channels; c += LANES, to += LANES)
        store(to, largest(p, n, window, c));
    }
}

// x -> pooled.
XLA_FFI_Error *wbc_max_pool(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *x = argument(call, 0), *pooled = result(call, 0);
  Pool p = describe_pool(x, pooled, attribute(call));
  p.output = data(pooled);
  parallel_for(call, dim(x, 0), pool_task, &p);
  return NULL;
}

static void gradient_task(void *context, int n) {
  const Pool *p = context;
  int tiling = is_tiling(p);
  if (!tiling) memset(p->output + pixel(p, n, 0, 0), 0, (size_t)p->height * p->width * p->channels * 4);
  const float *from = p->gradient + (size_t)n * p->out_height * p->out_width * p->channels;
  for (int out_y = 0; out_y < p->out_height; out_y++)
    for (int out_x = 0; out_x < p->out_width; out_x++) {
      Window w = window_of(p, out_y, out_x);
      for (int c = 0; c < p->channels; c += LANES, from += LANES) {
        Vec best = largest(p, n, w, c), left = load(from);
        for (int y = w.y; y < w.last_y; y++)
          for (int x = w.x; x < w.last_x; x++) {
            size_t i = pixel(p, n, y, x) + c;
            Vec value = load(p->x + i), sum = tiling ? (Vec){0} : load(p->output + i);
            store(p->output + i, where(value == best, sum + left, sum));
            left = where(value == best, (Vec){0}, left);
          }
      }
    }
}

// (x, gradient of the pooled) -> gradient of x.
XLA_FFI_Error *wbc_max_pool_gradient(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *x = argument(call, 0), *gradient = argument(call, 1);
  Pool p = describe_pool(x, gradient, attribute(call));
  p.gradient = data(gradient);
  p.output = data(result(call, 0));
  parallel_for(call, dim(x, 0), gradient_task, &p);
  return NULL;
}
