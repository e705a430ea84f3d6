// Optimizer updates of all arrays at once, in one pass over memory and in place.
//
// Being one call that takes every gradient, it also tells XLA that nothing reads the old weights
// afterwards: without that it copies them all in every step.

#include <math.h>

#include "runtime.h"

enum { TASK_SIZE = 1 << 16, MAX_STATES = 2 };

typedef struct {
  float *param, *state[MAX_STATES];
  const float *gradient;
  size_t size;
} Leaf;

typedef struct {
  const Leaf *leaves;
  const int *first_task;  // of each leaf, and the end
  int num_leaves;
  const float *numbers;
} Update;

typedef void Rule(const float *numbers, const Leaf *leaf, size_t first, size_t last);

// numbers: learning rate, momentum. Source: Polyak (1964).
static void sgd(const float *numbers, const Leaf *leaf, size_t first, size_t last) {
  float rate = numbers[0], momentum = numbers[1];
  float *restrict param = leaf->param, *restrict trace = leaf->state[0];
  const float *restrict gradient = leaf->gradient;
  for (size_t i = first; i < last; i++) {
    trace[i] = gradient[i] + momentum * trace[i];
    param[i] -= rate * trace[i];
  }
}

// numbers: learning rate, the two decays, what corrects the bias of the two moments, epsilon.
// Source: Kingma and Ba (2015), algorithm 1.
static void adam(const float *numbers, const Leaf *leaf, size_t first, size_t last) {
  float rate = numbers[0], b1 = numbers[1], b2 = numbers[2];
  float correct_1 = numbers[3], correct_2 = numbers[4], epsilon = numbers[5];
  float *restrict param = leaf->param, *restrict mean = leaf->state[0];
  float *restrict square = leaf->state[1];
  const float *restrict gradient = leaf->gradient;
  for (size_t i = first; i < last; i++) {
    float g = gradient[i];
    mean[i] = b1 * mean[i] + (1 - b1) * g;
    square[i] = b2 * square[i] + (1 - b2) * g * g;
    param[i] -= rate * (mean[i] * correct_1) / (sqrtf(square[i] * correct_2) + epsilon);
  }
}

static void run_task(const Update *u, int task, Rule *rule) {
  int leaf = 0;
  while (u->first_task[leaf + 1] <= task) leaf++;
  size_t first = (size_t)(task - u->first_task[leaf]) * TASK_SIZE, last = first + TASK_SIZE;
  if (last > u->leaves[leaf].size) last = u->leaves[leaf].size;
  rule(u->numbers, &u->leaves[leaf], first, last);
}

static void sgd_task(void *context, int task) { run_task(context, task, sgd); }
static void adam_task(void *context, int task) { run_task(context, task, adam); }

// (numbers, gradients, params, states...) -> (params, states...), which share memory with the
// arguments of the same name.
static XLA_FFI_Error *run(XLA_FFI_CallFrame *call, int num_states, Task *task) {
  if (is_metadata_query(call)) return NULL;
  int n = (int)(call->args.size - 1) / (num_states + 2);
  Leaf leaves[n];
  int first_task[n + 1];
  first_task[0] = 0;
  for (int i = 0; i < n; i++) {
    XLA_FFI_Buffer *gradient = argument(call, 1 + i);
    leaves[i].size = 1;
    for (int axis = 0; axis < gradient->rank; axis++) leaves[i].size *= dim(gradient, axis);
    leaves[i].gradient = data(gradient);
    leaves[i].param = data(result(call, i));
    for (int s = 0; s < num_states; s++) leaves[i].state[s] = data(result(call, (s + 1) * n + i));
    first_task[i + 1] = first_task[i] + (int)((leaves[i].size + TASK_SIZE - 1) / TASK_SIZE);
  }
  Update update = {leaves, first_task, n, data(argument(call, 0))};
  parallel_for(call, first_task[n], task, &update);
  return NULL;
}

XLA_FFI_Error *wbc_sgd(XLA_FFI_CallFrame *call) { return run(call, 1, sgd_task); }
XLA_FFI_Error *wbc_adam(XLA_FFI_CallFrame *call) { return run(call, 2, adam_task); }
