#define _DEFAULT_SOURCE  // madvise
#include "runtime.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int is_metadata_query(XLA_FFI_CallFrame *call) {
  XLA_FFI_Extension_Base *extension = call->extension_start;
  if (extension == NULL || extension->type != XLA_FFI_Extension_Metadata) return 0;
  XLA_FFI_Metadata *metadata = ((XLA_FFI_Metadata_Extension *)extension)->metadata;
  metadata->api_version.major_version = XLA_FFI_API_MAJOR;
  metadata->api_version.minor_version = XLA_FFI_API_MINOR;
  metadata->traits = 0;
  return 1;
}

typedef struct {
  Task *task;
  void *context;
  int num_tasks;
  atomic_int next;     // the first task nobody has taken
  atomic_int done;     // tasks finished
  atomic_int holders;  // threads that may still look at this
} Work;

static void take_tasks(Work *work) {
  for (int i; (i = atomic_fetch_add(&work->next, 1)) < work->num_tasks;) {
    work->task(work->context, i);
    atomic_fetch_add(&work->done, 1);
  }
}

static void release(Work *work) {
  if (atomic_fetch_sub(&work->holders, 1) == 1) free(work);
}

static void help(void *data) {
  take_tasks((Work *)data);
  release((Work *)data);
}

static int num_threads(XLA_FFI_CallFrame *call) {
  int64_t number = 1;
  XLA_FFI_ThreadPool_NumThreads_Args args = {XLA_FFI_ThreadPool_NumThreads_Args_STRUCT_SIZE, NULL,
                                             call->ctx, &number};
  XLA_FFI_Error *error = call->api->XLA_FFI_ThreadPool_NumThreads(&args);
  if (error == NULL) return (int)number;
  XLA_FFI_Error_Destroy_Args destroy = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, NULL, error};
  call->api->XLA_FFI_Error_Destroy(&destroy);
  return 1;
}

void parallel_for(XLA_FFI_CallFrame *call, int num_tasks, Task *task, void *context) {
  int helpers = min_int(num_threads(call), num_tasks) - 1;
  Work *work = helpers > 0 ? malloc(sizeof(Work)) : NULL;
  if (work == NULL) {
    for (int i = 0; i < num_tasks; i++) task(context, i);
    return;
  }
  work->task = task;
  work->context = context;
  work->num_tasks = num_tasks;
  atomic_init(&work->next, 0);
  atomic_init(&work->done, 0);
  atomic_init(&work->holders, 1 + helpers);
  for (int i = 0; i < helpers; i++) {
    XLA_FFI_ThreadPool_Schedule_Args args = {XLA_FFI_ThreadPool_Schedule_Args_STRUCT_SIZE, NULL,
                                             call->ctx, help, work};
    XLA_FFI_Error *error = call->api->XLA_FFI_ThreadPool_Schedule(&args);
    if (error != NULL) {
      XLA_FFI_Error_Destroy_Args destroy = {XLA_FFI_Error_Destroy_Args_STRUCT_SIZE, NULL, error};
      call->api->XLA_FFI_Error_Destroy(&destroy);
      release(work);
    }
  }
  take_tasks(work);
  // Waits only for tasks that have been taken: a helper that XLA starts late finds none left, so
  // calls that wait in every thread of the pool at once still end.
  for (int spins = 0; atomic_load(&work->done) < num_tasks; spins++) {
    if (spins > 1000) sched_yield();
  }
  release(work);
}

// Large pages: a transform writes to as many places as a tile has points, more than the processor has
// small pages at hand. Brings up to a tenth.
enum { LARGE_PAGE = 2 << 20 };

typedef struct {
  void *memory;
  size_t size;
} Piece;

// Allocated apart: when a thread ends, its thread-local memory may be gone before `key`'s destructor.
static _Thread_local Piece *pieces;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int has_key;

static void free_pieces(void *ended) {
  for (int i = 0; i < NUM_SCRATCH; i++) free(((Piece *)ended)[i].memory);
  free(ended);
  pieces = NULL;  // should the thread, on its way out, call a kernel once more
}

static void make_key(void) { has_key = pthread_key_create(&key, free_pieces) == 0; }

// Within a task nobody could be told: better an end with a reason than a wild write.
static void *checked(void *memory, size_t size) {
  if (memory != NULL) return memory;
  fprintf(stderr, "error: no memory left for %zu bytes of a kernel; lower train.batch_size\n", size);
  abort();
}

static void start_pieces(void) {
  size_t size = NUM_SCRATCH * sizeof(Piece);
  pieces = checked(calloc(1, size), size);
  pthread_once(&key_once, make_key);
  if (has_key) pthread_setspecific(key, pieces);  // else they stay when the thread ends
}

void *scratch(int piece, size_t num_bytes) {
  if (pieces == NULL) start_pieces();
  Piece *p = pieces + piece;
  if (p->size < num_bytes) {
    free(p->memory);
    size_t size = (num_bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    p->memory = checked(aligned_alloc(LARGE_PAGE, size), size);
    p->size = size;
#ifdef MADV_HUGEPAGE
    madvise(p->memory, size, MADV_HUGEPAGE);
#endif
  }
  return p->memory;
}
