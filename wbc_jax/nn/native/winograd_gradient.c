// The gradients of kernel and bias by Winograd's minimal filtering: the transpose of winograd.c.

#include "winograd.h"

// Transforms LANES features of one tile of the output's gradient; adds them to the bias's.
INLINE void read_outputs(const Winograd *w, int t, int k, float *to, size_t stride, Vec *bias,
                         const int pairs, const int taps) {
  Tile tile = tile_at(w, w->first + t);
  const int size = OUTPUTS(pairs, taps);
  Vec in[MAX_OUTPUTS], out[MAX_POINTS];
  for (int i = 0; i < size * size; i++) {
    int y = tile.y + i / size, x = tile.x + i % size;
    int inside = y < w->out_height && x < w->out_width && k < w->features;
    size_t pixel = ((size_t)tile.n * w->out_height + y) * w->out_width + x;
    in[i] = inside ? load(w->output + pixel * w->features + k) : (Vec){0};
    *bias += in[i];
  }
  outputs_to_points(out, in, pairs, taps);
  for (int p = 0; p < SIDE(pairs) * SIDE(pairs); p++)
    put_tile(to + p * stride, out[p], t, w->half, LANES);
}

// Transforms tiles [first, last) of one panel into [point, stride apart][tile from `to` on].
static void read_panel(const Winograd *w, int first, int last, int panel, float *to,
                       size_t stride, float *bias) {
  for (int v = 0; v < VECS; v++) {
    Vec sum = {0};
    int k = panel * COLUMNS + v * LANES;
    for (int t = first; t < last; t++) {
      float *row = to + (paired(w, t - first + 1) - 1) * COLUMNS + v * LANES;
      WITH_CONSTANTS(w, read_outputs, w, t, k, row, stride, &sum)
    }
    store(bias + v * LANES, sum);
  }
}

static void tiles_task(void *context, int i) {
  const Winograd *w = context;
  winograd_image_task(context, i);
  int first = i * TILES_PER_TASK, last = min_int(first + TILES_PER_TASK, w->count);
  size_t stride = (size_t)w->num_panels * w->count * COLUMNS;
  for (int panel = 0; panel < w->num_panels; panel++) {
    size_t task = w->first / TILES_PER_TASK + i;
    float *to = output_panel(w, 0, panel) + paired(w, first) * COLUMNS;
    read_panel(w, first, last, panel, to, stride,
               w->bias_sums + (task * w->num_panels + panel) * COLUMNS);
  }
}

// One point of one panel: adds all tiles of the group to the sums of channels [first, last).
static void reduce(const Winograd *w, int point, int first, int last, const float *panel,
                   float *sums) {
  for (int c = first; c < last; c += GROUP, sums += GROUP * COLUMNS) {
    const float *group = image_group(w, point, c / GROUP);
    GroupBlock block = {0};
    if (w->adds)
      for (int r = 0; r < GROUP; r++)
        for (int v = 0; v < VECS; v++) block.v[r][v] = load(sums + r * COLUMNS + v * LANES);
    if (w->half) add_group_times_panel(&block, group, panel, paired(w, w->count), 1);
    else add_group_times_panel(&block, group, panel, w->count, 0);
    for (int r = 0; r < GROUP; r++) store_row(sums + r * COLUMNS, block.v[r], COLUMNS);
  }
}

static void reduce_task(void *context, int i) {
  const Winograd *w = context;
  int point = i / w->num_panels, panel = i % w->num_panels;
  reduce(w, point, 0, w->channels, output_panel(w, point, panel), kernel_panel(w, point, panel));
}

INLINE void write_tap(const Winograd *w, int c, int k, const float *from, size_t stride,
                      const int pairs, const int taps) {
  Vec in[MAX_POINTS], out[MAX_TAPS];
  for (int p = 0; p < SIDE(pairs) * SIDE(pairs); p++) in[p] = load(from + p * stride);
  points_to_taps(out, in, pairs, taps);
  for (int tap = 0; tap < taps * taps; tap++)
    store(w->kernel_gradient + ((size_t)tap * w->channels + c) * w->features + k, out[tap]);
}

// Writes the gradient of channels [first, last) of one panel from its points, `stride` apart.
static void write_taps(const Winograd *w, int panel, int first, int last, const float *from,
                       size_t stride) {
  for (int v = 0; v < VECS; v++) {
    int k = panel * COLUMNS + v * LANES;
    if (k >= w->features) return;
    for (int c = first; c < last; c++) {
      const float *row = from + (c - first) * COLUMNS + v * LANES;
      WITH_CONSTANTS(w, write_tap, w, c, k, row, stride)
    }
  }
}

static void taps_task(void *context, int i) {
  const Winograd *w = context;
  int panel = i % w->num_panels, first = i / w->num_panels * CHANNELS_PER_TASK;
  int last = min_int(first + CHANNELS_PER_TASK, w->channels);
  size_t stride = (size_t)w->num_panels * w->channels * COLUMNS;
  write_taps(w, panel, first, last, kernel_panel(w, 0, panel) + first * COLUMNS, stride);
}

// All of one panel, for the case of one group.
static void panel_task(void *context, int panel) {
  const Winograd *w = context;
  size_t piece = CHANNELS_PER_PIECE * COLUMNS, tiles = (size_t)w->count * COLUMNS;
  float *kernel = scratch(SCRATCH_PANEL, w->num_points * piece * sizeof(float));
  float *output = scratch(SCRATCH_ROWS, w->num_points * tiles * sizeof(float));
  read_panel(w, 0, w->count, panel, output, tiles, w->bias_sums + panel * COLUMNS);
  for (int c = 0; c < w->channels; c += CHANNELS_PER_PIECE) {
    int last = min_int(c + CHANNELS_PER_PIECE, w->channels);
    for (int p = 0; p < w->num_points; p++)
      reduce(w, p, c, last, output + p * tiles, kernel + p * piece);
    write_taps(w, panel, c, last, kernel, piece);
  }
}

// (image, gradient of the output) -> gradients of the kernel and of the bias.
XLA_FFI_Error *wbc_winograd_kernel_gradient(XLA_FFI_CallFrame *call) {
  if (is_metadata_query(call)) return NULL;
  XLA_FFI_Buffer *image = argument(call, 0), *output = argument(call, 1);
  XLA_FFI_Buffer *kernel = result(call, 0);
  Winograd w = {.image = data(image), .output = data(output), .batch = dim(image, 0),
                .height = dim(image, 1), .width = dim(image, 2), .channels = dim(image, 3),
                .out_height = dim(output, 1), .out_width = dim(output, 2),
                .features = dim(output, 3), .taps = dim(kernel, 0),
                .kernel_gradient = data(kernel)};
  winograd_prepare(&w, attribute(call));
  int num_sums = fits_one_group(&w) ? 1 : div_up(w.num_tiles, TILES_PER_TASK);
  size_t width = (size_t)w.num_panels * COLUMNS;
  size_t kernel_size = (size_t)w.num_points * w.channels * width * sizeof(float);
  w.bias_sums = scratch(SCRATCH_SLOTS, num_sums * width * sizeof(float));
  int taps_tasks = w.num_panels * div_up(w.channels, CHANNELS_PER_TASK);
  if (fits_one_group(&w)) {
    w.count = w.num_tiles;
    winograd_take_memory(&w);
    parallel_for(call, num_tile_tasks(&w), winograd_image_task, &w);
    parallel_for(call, w.num_panels, panel_task, &w);
  } else {
    winograd_take_memory(&w);
    w.kernel_points = scratch(SCRATCH_SHARED, kernel_size);
    for (w.first = 0; w.first < w.num_tiles; w.first += w.group, w.adds = 1) {
      w.count = min_int(w.group, w.num_tiles - w.first);
      parallel_for(call, num_tile_tasks(&w), tiles_task, &w);
      parallel_for(call, w.num_points * w.num_panels, reduce_task, &w);
    }
    parallel_for(call, taps_tasks, taps_task, &w);
  }
  float *bias = data(result(call, 1));
  for (int k = 0; k < w.features; k++) {
    float sum = 0;
    for (int i = 0; i < num_sums; i++) sum += w.bias_sums[i * width + k];
    bias[k] = sum;
  }
  return NULL;
}
