// Batch normalization with the addition and the ReLU that follow it, in as few passes over memory as
// there are sums to wait for.

#include "norm.h"

// ---- sums of x and x^2 ----------------------------------------------------------------------

INLINE void walk_moments(const Norm *p, int image, int c, const int n) {
  Vec sum[WIDE] = {0}, square[WIDE] = {0};
  const float *x = p->x + first_of(p, image) + c;
  for (int row = 0; row < p->num_rows; row++, x += p->channels)
    UNROLL for (int v = 0; v < n; v++) {
      Vec value = load(x + v * LANES);
      sum[v] += value;
      square[v] += value * value;
    }
  for (int v = 0; v < n; v++) {
    store(sums_of(p, image, 0) + c + v * LANES, sum[v]);
    store(sums_of(p, image, 1) + c + v * LANES, square[v]);
  }
}

static void moments_task(void *context, int image) {
  WALK_CHANNELS(walk_moments, (const Norm *)context, image)
}

// x -> sum of x, sum of x^2, per channel.
XLA_FFI_Error *wbc_moments(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  Norm p = describe_norm(argument(call, 0));
  p.sums = scratch(SCRATCH_SLOTS, (size_t)p.num_images * 2 * p.channels * sizeof(float));
  parallel_for(call, p.num_images, moments_task, &p);
  add_sums(&p, data(result(call, 0)), data(result(call, 1)));
  return NULL;
}

// ---- forward --------------------------------------------------------------------------------

INLINE Vec before_relu(const Norm *p, size_t i, int c) {
  Vec value = load(p->x + i) * load(p->scale + c) + load(p->shift + c);
  return p->residual == NULL ? value : value + load(p->residual + i);
}

static void affine_task(void *context, int image) {
  const Norm *p = context;
  size_t i = first_of(p, image);
  for (int row = 0; row < p->num_rows; row++)
    for (int c = 0; c < p->channels; c += LANES, i += LANES) {
      Vec value = before_relu(p, i, c);
      store(p->output + i, p->relu ? positive(value, value) : value);
    }
}

// (x, scale, shift, residual) -> output. The residual may be empty.
XLA_FFI_Error *wbc_affine(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *residual = argument(call, 3);
  Norm p = describe_norm(argument(call, 0));
  p.scale = data(argument(call, 1));
  p.shift = data(argument(call, 2));
  p.residual = dim(residual, 0) ? data(residual) : NULL;
  p.output = data(result(call, 0));
  p.relu = (int)attribute(call)[0];
  parallel_for(call, p.num_images, affine_task, &p);
  return NULL;
}

// ---- backward -------------------------------------------------------------------------------

INLINE Vec masked_gradient(const Norm *p, size_t i, int c) {
  Vec gradient = load(p->gradient + i);
  if (!p->relu) return gradient;
  return positive(before_relu(p, i, c), gradient);
}

INLINE void walk_sums(const Norm *p, int image, int c, const int n) {
  Vec sum[WIDE] = {0}, product[WIDE] = {0};
  size_t i = first_of(p, image) + c;
  for (int row = 0; row < p->num_rows; row++, i += p->channels)
    UNROLL for (int v = 0; v < n; v++) {
      int k = v * LANES;
      Vec masked = masked_gradient(p, i + k, c + k);
      sum[v] += masked;
      product[v] += masked * (load(p->x + i + k) - load(p->center + c + k));
    }
  for (int v = 0; v < n; v++) {
    store(sums_of(p, image, 0) + c + v * LANES, sum[v]);
    store(sums_of(p, image, 1) + c + v * LANES, product[v]);
  }
}

static void sums_task(void *context, int image) {
  WALK_CHANNELS(walk_sums, (const Norm *)context, image)
}

static void describe_gradient(XLA_FFI_CallFrame *call, Norm *p) {
  XLA_FFI_Buffer *residual = argument(call, 4);
  *p = describe_norm(argument(call, 0));
  p->gradient = data(argument(call, 1));
  p->scale = data(argument(call, 2));
  p->shift = data(argument(call, 3));
  p->residual = dim(residual, 0) ? data(residual) : NULL;
  p->relu = (int)attribute(call)[0];
}

// (x, gradient, scale, shift, residual, center) -> sum of the gradient before the ReLU, and of that
// times (x - center), per channel.
XLA_FFI_Error *wbc_affine_sums(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  Norm p;
  describe_gradient(call, &p);
  p.center = data(argument(call, 5));
  p.sums = scratch(SCRATCH_SLOTS, (size_t)p.num_images * 2 * p.channels * sizeof(float));
  parallel_for(call, p.num_images, sums_task, &p);
  add_sums(&p, data(result(call, 0)), data(result(call, 1)));
  return NULL;
}

static void gradient_task(void *context, int image) {
  const Norm *p = context;
  size_t i = first_of(p, image);
  for (int row = 0; row < p->num_rows; row++)
    for (int c = 0; c < p->channels; c += LANES, i += LANES) {
      Vec masked = masked_gradient(p, i, c);
      store(p->output + i, masked * load(p->scale + c) + load(p->x + i) * load(p->by_x + c) +
                               load(p->constant + c));
      if (p->residual_gradient != NULL) store(p->residual_gradient + i, masked);
    }
}

// (x, gradient, scale, shift, residual, by_x, constant) -> gradient of x, gradient of the residual.
XLA_FFI_Error *wbc_affine_gradient(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  Norm p;
  describe_gradient(call, &p);
  p.by_x = data(argument(call, 5));
  p.constant = data(argument(call, 6));
  p.output = data(result(call, 0));
  p.residual_gradient = p.residual == NULL ? NULL : data(result(call, 1));
  parallel_for(call, p.num_images, gradient_task, &p);
  return NULL;
}
