// Convolution as it is written, NHWC and HWIO: sums over the taps of the kernel.
//
// Forward and the gradient of the image are matrix products whose rows are pixels. A row is read
// where it lies in the image, so no patches are ever written; where a whole block of rows falls on
// padding, its tap is left out.

#include "taps.h"

// Stands in for a pixel outside of the image; the Python side refuses deeper kernels.
enum { MAX_DEPTH = 16384 };
static const float zeros[MAX_DEPTH + LANES];

// Rows a multiple of 2 KB apart crowd into one set of the nearest cache: they are copied out a piece
// at a time. 4x4x1024 -> 256, 1x1: 2.0 ms to 1.7.
enum { CROWDED = 512, PIECE = 512, MIN_HALF_DEPTH = 16 };

typedef struct {
  Taps taps;
  const float *image, *kernel, *bias;
  float *output;
  int features, num_panels, rows_per_chunk, half;
} Product;

// Floats that one tap takes in a panel.
static inline int packed_depth(const Product *p) {
  return p->half ? div_up(p->taps.depth, 2) : p->taps.depth;
}

static void pack_tap(const Product *p, int tap, int column, int width, float *panel) {
  int depth = p->taps.depth;
  if (!p->taps.backwards) {
    const float *from = p->kernel + (size_t)tap * depth * p->features + column;
    for (int k = 0; k < depth; k++) {
      prefetch_row(from + (size_t)(k + AHEAD) * p->features);
      copy_panel_row(panel + k * COLUMNS, from + (size_t)k * p->features, width);
    }
    return;
  }
  const float *from = p->kernel + ((size_t)tap * p->features + column) * depth;
  for (int j = 0; j < COLUMNS; j++)
    for (int k = 0; k < depth; k++)
      panel[k * COLUMNS + j] = j < width ? from[(size_t)j * depth + k] : 0.0f;
}

static void pack_panel(const Product *p, int column, int width, float *panel) {
  for (int tap = 0; tap < num_taps(&p->taps); tap++, panel += packed_depth(p) * COLUMNS) {
    pack_tap(p, tap, column, width, panel);
    if (p->half) pair_up_panel(panel, panel, p->taps.depth);
  }
}

static void add_copied_rows(const Product *p, Block *block, const float *const *rows,
                            const float *panel) {
  float copy[ROWS][PIECE + LANES];
  const float *copied[ROWS];
  for (int r = 0; r < ROWS; r++) copied[r] = copy[r];
  for (int k = 0; k < p->taps.depth; k += PIECE) {
    int piece = min_int(PIECE, p->taps.depth - k);
    if (p->half) {
      for (int r = 0; r < ROWS; r++) copy_as_half(copy[r], rows[r] + k, piece);
      add_rows_times_panel(block, copied, panel + k / 2 * COLUMNS, div_up(piece, 2), 1);
    } else {
      for (int r = 0; r < ROWS; r++) memcpy(copy[r], rows[r] + k, (size_t)piece * sizeof(float));
      add_rows_times_panel(block, copied, panel + k * COLUMNS, piece, 0);
    }
  }
}

// The block of `count` rows from `pixel` on. Returns the pixel after it.
static Pixel multiply_block(const Product *p, Pixel pixel, int count, int column, int width,
                            const float *panel) {
  const Taps *t = &p->taps;
  Pixel pixels[ROWS];
  const float *first[ROWS];
  int interior = 1;
  for (int r = 0; r < ROWS; r++) {
    pixels[r] = r < count ? pixel : pixels[0];
    if (r < count) pixel = next_pixel(t, pixel);
    interior &= is_interior(t, pixels[r]);
    first[r] = source(t, p->image, pixels[r], 0, 0);
  }
  float bias[COLUMNS] = {0};
  if (p->bias != NULL) copy_panel_row(bias, p->bias + column, width);
  Block block;
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < VECS; v++) block.v[r][v] = load(bias + v * LANES);
  for (int ky = 0; ky < t->kernel_height; ky++) {
    for (int kx = 0; kx < t->kernel_width; kx++, panel += packed_depth(p) * COLUMNS) {
      const float *rows[ROWS];
      int any = interior;
      ptrdiff_t offset = tap_offset(t, ky, kx);
      for (int r = 0; r < ROWS; r++) {
        rows[r] = interior ? first[r] + offset : source(t, p->image, pixels[r], ky, kx);
        any |= rows[r] != NULL;
        if (rows[r] == NULL) rows[r] = zeros;
      }
      if (!any) continue;
      if (p->half || t->depth % CROWDED == 0) add_copied_rows(p, &block, rows, panel);
      else add_rows_times_panel(&block, rows, panel, t->depth, 0);
    }
  }
  for (int r = 0; r < count; r++)
    store_row(p->output + offset_of(t, pixels[r]) * p->features + column, block.v[r], width);
  return pixel;
}

static void product_task(void *context, int i) {
  const Product *p = context;
  int column = i % p->num_panels * COLUMNS, chunk = i / p->num_panels;
  int width = min_int(COLUMNS, p->features - column);
  int first = chunk * p->rows_per_chunk;
  int last = min_int(first + p->rows_per_chunk, num_rows(&p->taps));
  // A tap is packed in full before it is halved.
  size_t depth = (size_t)num_taps(&p->taps) * packed_depth(p) + p->taps.depth;
  float *panel = scratch(SCRATCH_PANEL, depth * COLUMNS * sizeof(float));
  pack_panel(p, column, width, panel);
  Pixel pixel = pixel_of_row(&p->taps, first);
  for (; first < last; first += ROWS)
    pixel = multiply_block(p, pixel, min_int(ROWS, last - first), column, width, panel);
}

static void run_product(XLA_FFI_CallFrame *call, Product *p) {
  int rows = num_rows(&p->taps);
  p->half = HAS_HALF && attribute(call)[4] && p->taps.depth >= MIN_HALF_DEPTH;
  p->num_panels = div_up(p->features, COLUMNS);
  // At least eight tasks where there are rows enough to repay packing the panel for each.
  int chunks = max_int(1, min_int(div_up(8, p->num_panels), rows / CHUNK_ROWS));
  p->rows_per_chunk = div_up(div_up(rows, chunks), ROWS) * ROWS;
  parallel_for(call, p->num_panels * div_up(rows, p->rows_per_chunk), product_task, p);
}

// Attributes of all three directions: strides down and across, padding above and to the left, half.

// (image, kernel, bias) -> output. The bias may be empty.
XLA_FFI_Error *wbc_conv(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *image = argument(call, 0), *kernel = argument(call, 1), *bias = argument(call, 2);
  XLA_FFI_Buffer *output = result(call, 0);
  Product p = {describe_taps(image, kernel, output, attribute(call)), data(image), data(kernel)};
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
  Product p = {.image = data(gradient), .kernel = data(kernel), .output = data(output)};
  Taps *t = &p.taps;
  *t = describe_taps(gradient, kernel, output, attribute(call));
  t->backwards = 1;
  t->kernel_width = dim(kernel, 1);
  t->depth = t->source_channels;
  t->by_position |= t->batch >= ROWS && t->stride_y * t->stride_x > 1;
  p.features = dim(output, 3);
  run_product(call, &p);
  return NULL;
}

// -> whether this processor multiplies bfloat16; else `half` is left aside.
int wbc_has_half(void) { return HAS_HALF; }
