// What every kernel needs: arguments of a call, threads, scratch memory, vectors.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "xla/ffi/api/c_api.h"

// Lanes of one float register of the processor that compiles this.
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float Vec __attribute__((vector_size(4 * LANES), aligned(4)));

static inline Vec load(const float *p) { return *(const Vec *)p; }
static inline void store(float *p, Vec v) { *(Vec *)p = v; }
static inline Vec splat(float x) { return x - (Vec){0}; }

// What a comparison of two registers gives: all bits of a lane, or none.
typedef int Mask __attribute__((vector_size(4 * LANES), aligned(4)));
static inline Vec where(Mask mask, Vec yes, Vec no) {
  return (Vec)((mask & (Mask)yes) | (~mask & (Mask)no));
}

#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline))

// The 16 upper bits of each lane, rounded to nearest: bfloat16.
typedef unsigned Bits __attribute__((vector_size(4 * LANES), aligned(4)));
static inline Bits rounded(Vec v) {
  Bits bits = (Bits)v;
  return bits + 0x7fff + ((bits >> 16) & 1);
}
// Two bfloat16 in the place of one float: what the processor's product of pairs takes.
static inline Vec pair_up(Vec low, Vec high) {
  return (Vec)((rounded(low) >> 16) | (rounded(high) & 0xffff0000u));
}

static inline int min_int(int a, int b) { return a < b ? a : b; }
static inline int max_int(int a, int b) { return a > b ? a : b; }
static inline int div_up(int a, int b) { return (a + b - 1) / b; }

// Buffer `i` of the arguments or of the results, its data and its size along `axis`.
static inline XLA_FFI_Buffer *argument(XLA_FFI_CallFrame *call, int i) {
  return (XLA_FFI_Buffer *)call->args.args[i];
}
static inline XLA_FFI_Buffer *result(XLA_FFI_CallFrame *call, int i) {
  return (XLA_FFI_Buffer *)call->rets.rets[i];
}
static inline float *data(XLA_FFI_Buffer *buffer) { return (float *)buffer->data; }
static inline int dim(XLA_FFI_Buffer *buffer, int axis) { return (int)buffer->dims[axis]; }

// The only attribute of a call: an array of int64.
static inline const int64_t *attribute(XLA_FFI_CallFrame *call) {
  return (const int64_t *)((XLA_FFI_Array *)call->attrs.attrs[0])->data;
}

// Answers XLA's question, asked once per handler, which version of the interface this speaks.
// True: the call was that question.
int is_metadata_query(XLA_FFI_CallFrame *call);

// Runs task(context, i) for every i in [0, num_tasks) on the threads of XLA's own pool and the
// calling one; returns when all are done. Which thread takes which task changes no result.
typedef void Task(void *context, int i);
void parallel_for(XLA_FFI_CallFrame *call, int num_tasks, Task *task, void *context);

// Memory of the calling thread, 64-byte aligned, kept from call to call until the thread ends;
// contents are undefined.
// There are NUM_SCRATCH independent pieces per thread. Ends the process where no memory is left.
enum { SCRATCH_PANEL, SCRATCH_ROWS, SCRATCH_GROUPS, SCRATCH_TILES, SCRATCH_SHARED, SCRATCH_SLOTS, NUM_SCRATCH };
void *scratch(int piece, size_t num_bytes);
