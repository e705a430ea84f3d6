// Convolution as it is written, NHWC and HWIO: sums over the taps of the kernel.
//
// The three directions are matrix products whose rows are pixels. A row is read where it lies in the
// image, so no patches are ever copied; where a whole block of rows falls on padding, its tap is
// left out.

#include "gemm.h"

// Stands in for a pixel outside of the image; the Python side refuses deeper kernels.
enum { MAX_DEPTH = 16384 };
static const float zeros[MAX_DEPTH + LANES];

enum { CHUNK_ROWS = 256, NUM_SLOTS = 8 };

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

static inline size_t offset_of(const Taps *t, Pixel p) {
  return ((size_t)p.n * t->height + p.y) * t->width + p.x;
}

// The floats that tap (ky, kx) of a pixel reads, NULL outside of the image.
static inline const float *source(const Taps *t, const float *image, Pixel p, int ky, int kx) {
  int y, x;
  if (t->backwards) {
    int up = p.y + t->top - ky, over = p.x + t->left - kx;
    if (up % t->stride_y || over % t->stride_x) return NULL;
    y = up / t->stride_y;
    x = over / t->stride_x;
  } else {
    y = p.y * t->stride_y - t->top + ky;
    x = p.x * t->stride_x - t->left + kx;
  }
  if ((unsigned)y >= (unsigned)t->source_height || (unsigned)x >= (unsigned)t->source_width)
    return NULL;
  return image + (((size_t)p.n * t->source_height + y) * t->source_width + x) * t->source_channels;
}

// Without padding at the sides, the taps of one kernel row lie side by side in memory.
static void merge_taps(Taps *t, int no_side_padding) {
  if (no_side_padding && !t->backwards) {
    t->depth *= t->kernel_width;
    t->kernel_width = 1;
  }
}

static inline Taps describe(XLA_FFI_Buffer *image, XLA_FFI_Buffer *kernel, XLA_FFI_Buffer *output,
                            const int64_t *geometry) {
  Taps t = {dim(image, 0), dim(output, 1), dim(output, 2), dim(image, 1), dim(image, 2),
            dim(image, 3), dim(kernel, 0), dim(kernel, 1)};
  t.stride_y = (int)geometry[0];
  t.stride_x = (int)geometry[1];
  t.top = (int)geometry[2];
  t.left = (int)geometry[3];
  t.depth = t.source_channels;
  int last = (t.width - 1) * t.stride_x + t.kernel_width - t.left;
  merge_taps(&t, t.left == 0 && last <= t.source_width);
  t.by_position = t.batch >= ROWS && t.height * t.width <= 16;
  return t;
}

// ---- forward, and the gradient of the image ------------------------------------------------

typedef struct {
  Taps taps;
  const float *image, *kernel, *bias;
  float *output;
  int features, num_panels, rows_per_chunk;
} Product;

static void pack_panel(const Product *p, int column, int width, float *panel) {
  const Taps *t = &p->taps;
  if (!t->backwards) {
    int depth = num_taps(t) * t->depth;
    for (int k = 0; k < depth; k++)
      copy_panel_row(panel + k * COLUMNS, p->kernel + (size_t)k * p->features + column, width);
    return;
  }
  for (int tap = 0; tap < num_taps(t); tap++, panel += t->depth * COLUMNS) {
    const float *from = p->kernel + ((size_t)tap * p->features + column) * t->depth;
    for (int j = 0; j < COLUMNS; j++)
      for (int k = 0; k < t->depth; k++)
        panel[k * COLUMNS + j] = j < width ? from[(size_t)j * t->depth + k] : 0.0f;
  }
}

static void multiply_block(const Product *p, int first, int last, int column, int width,
                           const float *panel) {
  const Taps *t = &p->taps;
  Pixel pixels[ROWS];
  for (int r = 0; r < ROWS; r++) pixels[r] = pixel_of_row(t, min_int(first + r, last - 1));
  Block block;
  for (int v = 0; v < VECS; v++) {
    Vec start = {0};
    if (p->bias != NULL) {
      float bias[COLUMNS];
      copy_panel_row(bias, p->bias + column, width);
      start = load(bias + v * LANES);
    }
    for (int r = 0; r < ROWS; r++) block.v[r][v] = start;
  }
  for (int ky = 0; ky < t->kernel_height; ky++) {
    for (int kx = 0; kx < t->kernel_width; kx++, panel += t->depth * COLUMNS) {
      const float *rows[ROWS];
      int any = 0;
      for (int r = 0; r < ROWS; r++) {
        rows[r] = source(t, p->image, pixels[r], ky, kx);
        any |= rows[r] != NULL;
        if (rows[r] == NULL) rows[r] = zeros;
      }
      if (!any) continue;
      if (t->depth % CROWDED == 0) add_crowded_rows_times_panel(&block, rows, panel, t->depth);
      else add_rows_times_panel(&block, rows, panel, t->depth);
    }
  }
  for (int r = 0; r < min_int(ROWS, last - first); r++)
    store_row(p->output + offset_of(t, pixels[r]) * p->features + column, block.v[r], width);
}

static void product_task(void *context, int i) {
  const Product *p = context;
  int column = i % p->num_panels * COLUMNS, chunk = i / p->num_panels;
  int width = min_int(COLUMNS, p->features - column);
  int first = chunk * p->rows_per_chunk;
  int last = min_int(first + p->rows_per_chunk, num_rows(&p->taps));
  float *panel = scratch(SCRATCH_PANEL, (size_t)num_taps(&p->taps) * p->taps.depth * COLUMNS * 4);
  pack_panel(p, column, width, panel);
  for (; first < last; first += ROWS) multiply_block(p, first, last, column, width, panel);
}

static void run_product(XLA_FFI_CallFrame *call, Product *p) {
  int rows = num_rows(&p->taps);
  p->num_panels = div_up(p->features, COLUMNS);
  // At least eight tasks where there are rows enough to repay packing the panel for each.
  int chunks = max_int(1, min_int(div_up(8, p->num_panels), rows / CHUNK_ROWS));
  p->rows_per_chunk = div_up(div_up(rows, chunks), ROWS) * ROWS;
  parallel_for(call, p->num_panels * div_up(rows, p->rows_per_chunk), product_task, p);
}

// (image, kernel, bias) -> output. The bias may be empty.
XLA_FFI_Error *wbc_conv(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *image = argument(call, 0), *kernel = argument(call, 1), *bias = argument(call, 2);
  XLA_FFI_Buffer *output = result(call, 0);
  Product p = {describe(image, kernel, output, attribute(call)), data(image), data(kernel)};
  p.bias = dim(bias, 0) ? data(bias) : NULL;
  p.output = data(output);
  p.features = dim(output, 3);
  run_product(call, &p);
  return NULL;
}

// (gradient of the output, kernel) -> gradient of the image.
XLA_FFI_Error *wbc_conv_image_gradient(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *gradient = argument(call, 0), *kernel = argument(call, 1);
  XLA_FFI_Buffer *output = result(call, 0);
  Product p = {{.backwards = 1}, data(gradient), data(kernel)};
  Taps *t = &p.taps;
  *t = describe(gradient, kernel, output, attribute(call));
  t->backwards = 1;
  t->kernel_width = dim(kernel, 1);
  t->depth = t->source_channels;
  t->by_position |= t->batch >= ROWS && t->stride_y * t->stride_x > 1;
  p.output = data(output);
  p.features = dim(output, 3);
  run_product(call, &p);
  return NULL;
}

// ---- the gradient of the kernel ------------------------------------------------------------

typedef struct {
  Taps taps;
  const float *image, *gradient;
  float *kernel_gradient, *bias_gradient;
  float *slots;  // [slot][row of the kernel, then the bias][feature]
  int features, num_panels, num_slots, rows_per_chunk;
} Reduction;

static inline int kernel_rows(const Taps *t) { return num_taps(t) * t->depth; }

// Where a task adds up: rows of the kernel, then the bias.
typedef struct {
  float *rows, *bias;
  size_t stride;
} Sums;

static void add_bias(const float *panel, int count, int is_first, float *bias) {
  for (int v = 0; v < VECS; v++) {
    Vec sum = is_first ? (Vec){0} : load(bias + v * LANES);
    for (int m = 0; m < count; m++) sum += load(panel + m * COLUMNS + v * LANES);
    store(bias + v * LANES, sum);
  }
}

static void add_tap(const Taps *t, const float *const *columns, const float *panel, int count,
                    int is_first, float *sums, size_t stride) {
  for (int c = 0; c < t->depth; c += ROWS) {
    int rows = min_int(ROWS, t->depth - c);
    Block block = {0};
    if (!is_first)
      for (int r = 0; r < rows; r++)
        for (int v = 0; v < VECS; v++) block.v[r][v] = load(sums + (c + r) * stride + v * LANES);
    add_columns_times_panel(&block, columns, c, panel, count, rows);
    for (int r = 0; r < rows; r++) store_row(sums + (c + r) * stride, block.v[r], COLUMNS);
  }
}

static void add_chunk(const Reduction *p, int first, int count, int column, int width,
                      float *panel, const float **columns, int is_first, Sums sums) {
  const Taps *t = &p->taps;
  for (int m = 0; m < count; m++) {
    size_t offset = offset_of(t, pixel_of_row(t, first + m));
    copy_panel_row(panel + m * COLUMNS, p->gradient + offset * p->features + column, width);
  }
  add_bias(panel, count, is_first, sums.bias);
  for (int ky = 0; ky < t->kernel_height; ky++) {
    for (int kx = 0; kx < t->kernel_width; kx++, sums.rows += t->depth * sums.stride) {
      int any = is_first;
      for (int m = 0; m < count; m++) {
        columns[m] = source(t, p->image, pixel_of_row(t, first + m), ky, kx);
        any |= columns[m] != NULL;
        if (columns[m] == NULL) columns[m] = zeros;
      }
      if (any) add_tap(t, columns, panel, count, is_first, sums.rows, sums.stride);
    }
  }
}

static void reduction_task(void *context, int i) {
  const Reduction *p = context;
  const Taps *t = &p->taps;
  int column = i % p->num_panels * COLUMNS, slot = i / p->num_panels;
  int width = min_int(COLUMNS, p->features - column);
  float *panel = scratch(SCRATCH_PANEL, (size_t)p->rows_per_chunk * COLUMNS * 4);
  const float **columns = scratch(SCRATCH_ROWS, (size_t)p->rows_per_chunk * sizeof(float *));
  float bias[COLUMNS];
  float *own = scratch(SCRATCH_TILES, (size_t)kernel_rows(t) * COLUMNS * 4);
  // With one slot, whole panels are added up where they belong.
  int in_place = p->num_slots == 1 && width == COLUMNS;
  Sums sums = {in_place ? p->kernel_gradient + column : own, bias, in_place ? p->features : COLUMNS};
  int rows = num_rows(t), chunks = div_up(rows, p->rows_per_chunk);
  for (int chunk = slot; chunk < chunks; chunk += p->num_slots) {
    int first = chunk * p->rows_per_chunk, count = min_int(p->rows_per_chunk, rows - first);
    add_chunk(p, first, count, column, width, panel, columns, chunk == slot, sums);
  }
  float *to = p->slots + (size_t)slot * (kernel_rows(t) + 1) * p->features + column;
  if (p->num_slots == 1) to = p->kernel_gradient + column;
  if (!in_place)
    for (int row = 0; row < kernel_rows(t); row++)
      store_row(to + (size_t)row * p->features, (const Vec *)(own + (size_t)row * COLUMNS), width);
  float *bias_to = p->num_slots == 1 ? p->bias_gradient + column
                                     : to + (size_t)kernel_rows(t) * p->features;
  store_row(bias_to, (const Vec *)bias, width);
}

static void add_slots_task(void *context, int i) {
  const Reduction *p = context;
  size_t row = i, rows = kernel_rows(&p->taps), stride = (rows + 1) * p->features;
  const float *from = p->slots + row * p->features;
  float *to = row < rows ? p->kernel_gradient + row * p->features : p->bias_gradient;
  for (int k = 0; k < p->features; k++) {
    float sum = 0;
    for (int slot = 0; slot < p->num_slots; slot++) sum += from[slot * stride + k];
    to[k] = sum;
  }
}

// (image, gradient of the output) -> gradients of the kernel and of the bias.
XLA_FFI_Error *wbc_conv_kernel_gradient(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *image = argument(call, 0), *gradient = argument(call, 1);
  XLA_FFI_Buffer *kernel = result(call, 0), *bias = result(call, 1);
  Reduction p = {describe(image, kernel, gradient, attribute(call)), data(image), data(gradient)};
  p.kernel_gradient = data(kernel);
  p.bias_gradient = data(bias);
  p.features = dim(kernel, 3);
  p.num_panels = div_up(p.features, COLUMNS);
  // A chunk of one position is skipped as a whole where its tap is padding; one tap has none.
  if (num_taps(&p.taps) == 1) p.taps.by_position = 0;
  p.rows_per_chunk = p.taps.by_position ? p.taps.batch : CHUNK_ROWS;
  // A number that depends on the shapes alone: the sums are the same on any number of threads.
  int chunks = div_up(num_rows(&p.taps), p.rows_per_chunk);
  p.num_slots = max_int(1, min_int(NUM_SLOTS / p.num_panels, chunks / 2));
  size_t rows = kernel_rows(&p.taps) + 1;
  if (p.num_slots > 1) p.slots = scratch(SCRATCH_SLOTS, p.num_slots * rows * p.features * 4);
  parallel_for(call, p.num_panels * p.num_slots, reduction_task, &p);
  if (p.num_slots > 1) parallel_for(call, (int)rows, add_slots_task, &p);
  return NULL;
}
