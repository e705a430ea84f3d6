// What Winograd's three directions begin with: sizes, memory, and the image's tiles as points.

#include "winograd.h"

void winograd_prepare(Winograd *w, const int64_t *attributes) {
  w->top = (int)attributes[0];
  w->left = (int)attributes[1];
  w->pairs = (int)attributes[2];
  w->half = HAS_HALF && attributes[3];
  w->size = OUTPUTS(w->pairs, w->taps);
  w->num_points = SIDE(w->pairs) * SIDE(w->pairs);
  w->tiles_y = div_up(w->out_height, w->size);
  w->tiles_x = div_up(w->out_width, w->size);
  w->num_tiles = w->batch * w->tiles_y * w->tiles_x;
  w->num_panels = div_up(w->features, COLUMNS);
  int group = max_int(MIN_GROUP, (int)(GROUP_BYTES / bytes_per_tile(w)));
  // Whole tasks: the sums of the bias are kept by task.
  w->group = min_int(div_up(group, TILES_PER_TASK) * TILES_PER_TASK, w->num_tiles);
}

void winograd_take_memory(Winograd *w) {
  w->image_points = scratch(SCRATCH_TILES, w->group * bytes_per_tile(w));
  w->output_points = w->image_points + (size_t)w->num_points * w->group * w->channels;
}

// Writes the channels from `c` on of one point of a tile, in the layout of the product to come.
INLINE void put_image(const Winograd *w, int point, int t, int c, Vec value) {
  if (w->kernel_gradient != NULL) {
    int row = paired(w, t + 1) - 1;
    for (int j = 0; j < LANES; j += GROUP) {
      Vec group = {0};
      for (int i = 0; i < GROUP; i++) group[i] = value[j + i];
      put_tile(image_group(w, point, (c + j) / GROUP) + row * GROUP, group, t, w->half, GROUP);
    }
  } else if (w->half) {
    float lanes[LANES];
    store(lanes, value);
    copy_as_half(image_row(w, point, t) + c / 2, lanes, LANES);
  } else {
    store(image_row(w, point, t) + c, value);
  }
}

INLINE void read_tile(const Winograd *w, int t, const int pairs) {
  Tile tile = tile_at(w, w->first + t);
  const int side = SIDE(pairs);
  const float *pixels[MAX_POINTS];
  for (int p = 0; p < side * side; p++) {
    int y = tile.y - w->top + p / side, x = tile.x - w->left + p % side;
    int inside = (unsigned)y < (unsigned)w->height && (unsigned)x < (unsigned)w->width;
    pixels[p] = !inside ? NULL : w->image +
        (((size_t)tile.n * w->height + y) * w->width + x) * w->channels;
  }
  for (int c = 0; c < w->channels; c += LANES) {
    Vec in[MAX_POINTS], out[MAX_POINTS];
    for (int p = 0; p < side * side; p++)
      in[p] = pixels[p] == NULL ? (Vec){0} : load(pixels[p] + c);
    tile_to_points(out, in, pairs);
    for (int p = 0; p < side * side; p++) put_image(w, p, t, c, out[p]);
  }
}

void winograd_image_task(void *context, int i) {
  const Winograd *w = context;
  int last = min_int((i + 1) * TILES_PER_TASK, w->count);
  for (int t = i * TILES_PER_TASK; t < last; t++) {
    if (w->pairs == 2) read_tile(w, t, 2);
    else read_tile(w, t, 3);
  }
}
