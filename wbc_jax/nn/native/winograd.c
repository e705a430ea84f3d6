// Convolution of stride 1 with a 3x3 or 5x5 kernel by Winograd's minimal filtering.
//
// Image to points, one matrix product per point, points to outputs.

#include "winograd.h"

// ---- kernel ---------------------------------------------------------------------------------

// Reads tap (ky, kx) for input channel `c` and LANES features from `k` on.
static inline Vec read_taps(const Winograd *w, int ky, int kx, int c, int k) {
  if (!w->transposed)
    return load(w->kernel + (((size_t)ky * w->taps + kx) * w->channels + c) * w->features + k);
  int last = w->taps - 1;
  const float *from = w->kernel +
      (((size_t)(last - ky) * w->taps + last - kx) * w->features + k) * w->channels + c;
  Vec gathered;
  for (int j = 0; j < LANES; j++) gathered[j] = from[(size_t)j * w->channels];
  return gathered;
}

INLINE void transform_taps(const Winograd *w, int c, int k, float *to, size_t stride,
                           const int pairs, const int taps) {
  Vec in[MAX_TAPS], out[MAX_POINTS];
  for (int tap = 0; tap < taps * taps; tap++)
    in[tap] = k < w->features ? read_taps(w, tap / taps, tap % taps, c, k) : (Vec){0};
  taps_to_points(out, in, pairs, taps);
  for (int p = 0; p < SIDE(pairs) * SIDE(pairs); p++) store(to + p * stride, out[p]);
}

// Transforms one panel of the kernel for `count` channels into [point, stride apart][channel].
static void transform_kernel(const Winograd *w, int panel, int first, int count, float *to,
                             size_t stride) {
  for (int v = 0; v < VECS; v++) {
    int k = panel * COLUMNS + v * LANES;
    for (int c = 0; c < count; c++) {
      float *row = to + c * COLUMNS + v * LANES;
      WITH_CONSTANTS(w, transform_taps, w, first + c, k, row, stride)
    }
  }
}

static void kernel_task(void *context, int i) {
  const Winograd *w = context;
  int panel = i % w->num_panels, first = i / w->num_panels * CHANNELS_PER_TASK;
  int count = min_int(CHANNELS_PER_TASK, w->channels - first);
  size_t stride = (size_t)w->num_panels * w->channels * COLUMNS;
  float *to = kernel_panel(w, 0, panel) + paired(w, first) * COLUMNS;
  if (!w->half) {
    transform_kernel(w, panel, first, count, to, stride);
    return;
  }
  size_t own_stride = CHANNELS_PER_TASK * COLUMNS;
  float *own = scratch(SCRATCH_PANEL, w->num_points * own_stride * sizeof(float));
  transform_kernel(w, panel, first, count, own, own_stride);
  for (int p = 0; p < w->num_points; p++)
    pair_up_panel(to + p * stride, own + p * own_stride, count);
}

// ---- product and output ---------------------------------------------------------------------

// One point of one panel: adds `depth` channels from `channel` on to the sums of all tiles.
static void multiply(const Winograd *w, int point, int channel, int depth, const float *panel,
                     float *sums) {
  for (int t = 0; t < w->count; t += ROWS) {
    const float *rows[ROWS];
    int num_rows = min_int(ROWS, w->count - t);
    for (int r = 0; r < ROWS; r++)
      rows[r] = image_row(w, point, t + min_int(r, num_rows - 1)) + paired(w, channel);
    Block block = {0};
    if (channel > 0)
      for (int r = 0; r < num_rows; r++)
        for (int v = 0; v < VECS; v++)
          block.v[r][v] = load(sums + (t + r) * COLUMNS + v * LANES);
    if (w->half) add_rows_times_panel(&block, rows, panel, paired(w, depth), 1);
    else add_rows_times_panel(&block, rows, panel, depth, 0);
    for (int r = 0; r < num_rows; r++) store_row(sums + (t + r) * COLUMNS, block.v[r], COLUMNS);
  }
}

static void multiply_task(void *context, int i) {
  const Winograd *w = context;
  int point = i / w->num_panels, panel = i % w->num_panels;
  multiply(w, point, 0, w->channels, kernel_panel(w, point, panel), output_panel(w, point, panel));
}

INLINE void write_tile(const Winograd *w, Tile tile, const float *from, size_t stride, int k,
                       const int pairs, const int taps) {
  const int size = OUTPUTS(pairs, taps);
  Vec in[MAX_POINTS], out[MAX_OUTPUTS];
  for (int p = 0; p < SIDE(pairs) * SIDE(pairs); p++) in[p] = load(from + p * stride);
  points_to_outputs(out, in, pairs, taps);
  Vec bias = w->bias == NULL ? (Vec){0} : load(w->bias + k);
  for (int y = 0; y < min_int(size, w->out_height - tile.y); y++)
    for (int x = 0; x < min_int(size, w->out_width - tile.x); x++) {
      size_t pixel = ((size_t)tile.n * w->out_height + tile.y + y) * w->out_width + tile.x + x;
      store(w->output + pixel * w->features + k, out[y * size + x] + bias);
    }
}

// Writes tile `t` of one panel from its points, `stride` apart.
static void write_panel(const Winograd *w, int t, int panel, const float *from, size_t stride) {
  for (int v = 0; v < VECS; v++, from += LANES) {
    int k = panel * COLUMNS + v * LANES;
    if (k >= w->features) return;
    WITH_CONSTANTS(w, write_tile, w, tile_at(w, w->first + t), from, stride, k)
  }
}

static void output_task(void *context, int i) {
  const Winograd *w = context;
  size_t stride = (size_t)w->num_panels * w->count * COLUMNS;
  int last = min_int((i + 1) * TILES_PER_TASK, w->count);
  for (int t = i * TILES_PER_TASK; t < last; t++)
    for (int panel = 0; panel < w->num_panels; panel++)
      write_panel(w, t, panel, output_panel(w, 0, panel) + t * COLUMNS, stride);
}

// All of one panel, for the case of one group.
static void panel_task(void *context, int panel) {
  const Winograd *w = context;
  size_t piece = CHANNELS_PER_PIECE * COLUMNS, sums_stride = (size_t)w->count * COLUMNS;
  float *kernel = scratch(SCRATCH_PANEL, w->num_points * piece * sizeof(float));
  float *sums = scratch(SCRATCH_ROWS, w->num_points * sums_stride * sizeof(float));
  for (int c = 0; c < w->channels; c += CHANNELS_PER_PIECE) {
    int depth = min_int(CHANNELS_PER_PIECE, w->channels - c);
    transform_kernel(w, panel, c, depth, kernel, piece);
    for (int p = 0; p < w->num_points; p++) {
      float *points = kernel + p * piece;
      if (w->half) pair_up_panel(points, points, depth);
      multiply(w, p, c, depth, points, sums + p * sums_stride);
    }
  }
  for (int t = 0; t < w->count; t++) write_panel(w, t, panel, sums + t * COLUMNS, sums_stride);
}

// All of one group, for the case of many: the phases one after the other in memory of its own.
static void group_task(void *context, int i) {
  Winograd w = *(const Winograd *)context;
  w.first = i * w.group;
  w.count = min_int(w.group, w.num_tiles - w.first);
  winograd_take_memory(&w);
  for (int task = 0; task < num_tile_tasks(&w); task++) winograd_image_task(&w, task);
  for (int task = 0; task < w.num_points * w.num_panels; task++) multiply_task(&w, task);
  for (int task = 0; task < num_tile_tasks(&w); task++) output_task(&w, task);
}

static void convolve(XLA_FFI_CallFrame *call, Winograd *w) {
  if (fits_one_group(w)) {
    w->count = w->num_tiles;
    winograd_take_memory(w);
    parallel_for(call, num_tile_tasks(w), winograd_image_task, w);
    parallel_for(call, w->num_panels, panel_task, w);
    return;
  }
  size_t kernel_size = (size_t)w->num_points * w->channels * w->num_panels * COLUMNS;
  w->kernel_points = scratch(SCRATCH_SHARED, kernel_size * sizeof(float));
  w->group = max_int(TILES_PER_TASK, (int)(OWN_GROUP_BYTES / bytes_per_tile(w)) / ROWS * ROWS);
  parallel_for(call, w->num_panels * div_up(w->channels, CHANNELS_PER_TASK), kernel_task, w);
  parallel_for(call, div_up(w->num_tiles, w->group), group_task, w);
}

static XLA_FFI_Error *run(XLA_FFI_CallFrame *call, int transposed) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *image = argument(call, 0), *kernel = argument(call, 1);
  XLA_FFI_Buffer *output = result(call, 0);
  Winograd w = {.image = data(image), .kernel = data(kernel), .output = data(output),
                .batch = dim(image, 0), .height = dim(image, 1), .width = dim(image, 2),
                .channels = dim(image, 3), .out_height = dim(output, 1),
                .out_width = dim(output, 2), .features = dim(output, 3),
                .taps = dim(kernel, 0), .transposed = transposed};
  if (!transposed && dim(argument(call, 2), 0)) w.bias = data(argument(call, 2));
  winograd_prepare(&w, attribute(call));
  convolve(call, &w);
  return NULL;
}

// (image, kernel, bias) -> output. The bias may be empty.
XLA_FFI_Error *wbc_winograd(XLA_FFI_CallFrame *call) { return run(call, 0); }

// (gradient of the output, kernel) -> gradient of the image. The padding given is the gradient's.
XLA_FFI_Error *wbc_winograd_image_gradient(XLA_FFI_CallFrame *call) { return run(call, 1); }
