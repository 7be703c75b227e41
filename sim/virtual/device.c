/* A virtual libedgetpu in C: the device of device.py and realtime.py for programs that are not Python.
 *
 * Built on demand by library.py. Reads the session's plan.txt and shares its state file (memory.py) with the Python
 * form: the structures below are memory.py's, and tests/test_virtual_library.py compares their sizes. Declarations of
 * TFLite's delegate interface are those of abi.py. Real time only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

#define EXPORT __attribute__((visibility("default")))
enum { OK, FAILED, MOST_DEVICES = 16, MOST_CLIENTS = 256, MOST_LOADED = 256, MOST_CHUNKS = 4096, NOISE = 1 << 20 };
static const uint64_t MAGIC = 0x6564747075766432;

/* ---- shared state: memory.py ---- */
typedef union { pthread_mutex_t mutex; uint64_t words[8]; } shared_mutex;
typedef struct {
  shared_mutex mutex;
  int64_t token, n_loaded;
  uint64_t loaded[MOST_LOADED];
  int64_t passes, abandoned, holder;
} device_state;
typedef struct { shared_mutex mutex; int64_t out_free_ns, in_free_ns; } bus_state;
typedef struct {
  int32_t state, device, pid, tid;
  int64_t operator;
  uint64_t reference;
  int64_t time_ns, wall_ns, ticket, ran_ns, since_ns, idle;
} client_state;
typedef struct {
  uint64_t magic;
  int64_t capacity, attached, now_ns, tickets, own_ns, clients_used;
  shared_mutex clock;
  device_state devices[MOST_DEVICES];
  bus_state buses[MOST_DEVICES];
  client_state clients[MOST_CLIENTS];
} shared_state;
typedef struct {
  int64_t asked_ns, held_ns, sent_ns, computed_ns, end_ns, late_ns, planned_ns;
  int32_t operator, device, pid, tid, loaded, padding;
} event;
EXPORT const int64_t edgetpusim_sizes[] = {sizeof(shared_state), sizeof(event), offsetof(shared_state, devices),
                                           offsetof(shared_state, buses), offsetof(shared_state, clients)};

/* ---- the plan: planfile.py ---- */
typedef struct { int64_t compute_ns, parameters_ns, streamed_bytes; } step;
typedef struct {
  int64_t driver_ns, latency_ns, load_bytes, load_ns, instructions_ns, input_ns, send_bytes, output_ns, output_bytes;
  int64_t copy_ns, n_steps;
  step *steps;
} device_pass;
typedef struct { char sha256[65]; int64_t token; device_pass passes[MOST_DEVICES]; } operator_plan;
typedef struct { int is_usb, bus; char path[256]; } device_plan;

static struct {
  int n_devices, n_operators, n_buses, is_noise, is_recorded, ready;
  int64_t spin_ns, chunks[MOST_DEVICES];
  device_plan devices[MOST_DEVICES];
  operator_plan *operators;
  shared_state *state;
  unsigned char noise[NOISE], *recorded;
  size_t recorded_bytes;
} session;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void say(const char *text, const char *detail) { fprintf(stderr, "edgetpusim virtual: %s%s\n", text, detail); }

static void read_pass(char *text, device_pass *pass) {
  int64_t *number = &pass->driver_ns;
  for (int i = 0; i < 11; i++) number[i] = strtoll(text, &text, 10);
  pass->steps = calloc(pass->n_steps + 1, sizeof(step));
  for (int64_t i = 0; i < pass->n_steps; i++) {
    pass->steps[i].compute_ns = strtoll(text, &text, 10);
    pass->steps[i].parameters_ns = strtoll(text, &text, 10);
    pass->steps[i].streamed_bytes = strtoll(text, &text, 10);
  }
}

static int read_operator(const char *text) {
  session.operators = realloc(session.operators, (session.n_operators + 1) * sizeof(operator_plan));
  operator_plan *one = &session.operators[session.n_operators++];
  memset(one, 0, sizeof *one);
  return sscanf(text, "%64s %*d %*d %ld", one->sha256, &one->token) == 2;
}

static int read_device(const char *text) {
  device_plan *one = &session.devices[session.n_devices++];
  one->is_usb = !strncmp(text, "usb", 3);
  return session.n_devices <= MOST_DEVICES && sscanf(text, "%*s %d %255[^\n]", &one->bus, one->path) == 2;
}

/* One line of the plan; 0 for one that this form cannot serve. */
static int read_line(char *line, int *pass) {
  char *rest = strchr(line, ' ');
  if (!rest) return 1;
  *rest++ = 0;
  rest[strcspn(rest, "\n")] = 0;
  if (!strcmp(line, "edgetpusim-virtual")) return atoi(rest) == 1;
  if (!strcmp(line, "clock")) return !strcmp(rest, "real");
  if (!strcmp(line, "outputs")) {
    session.is_noise = !strcmp(rest, "noise");
    session.is_recorded = !strcmp(rest, "recorded");
    return strcmp(rest, "twin");
  }
  if (!strcmp(line, "spin_ns")) session.spin_ns = atoll(rest);
  if (!strcmp(line, "bus")) session.chunks[session.n_buses++] = atoll(rest);
  if (!strcmp(line, "device")) return read_device(rest);
  if (!strcmp(line, "operator")) return *pass = 0, read_operator(rest);
  if (!strcmp(line, "pass")) read_pass(rest, &session.operators[session.n_operators - 1].passes[(*pass)++]);
  return 1;
}

static int read_plan(const char *folder) {
  char path[4096], *line = NULL;
  size_t size = 0;
  int pass = 0, fits = 1;
  snprintf(path, sizeof path, "%s/plan.txt", folder);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  while (fits && getline(&line, &size, file) > 0) fits = read_line(line, &pass);
  free(line);
  fclose(file);
  return fits;
}

static int read_recorded(const char *folder) {
  char path[4096];
  struct stat about;
  if (!session.is_recorded) return 1;
  snprintf(path, sizeof path, "%s/recorded", folder);
  int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &about) || !about.st_size) return 0;
  void *mapped = mmap(NULL, about.st_size, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return 0;
  session.recorded = mapped;
  session.recorded_bytes = about.st_size;
  return 1;
}

static int map_state(const char *folder) {
  char path[4096];
  struct stat about;
  snprintf(path, sizeof path, "%s/state", folder);
  int file = open(path, O_RDWR);
  if (file < 0 || fstat(file, &about)) return 0;
  void *mapped = mmap(NULL, about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return 0;
  session.state = mapped;
  return session.state->magic == MAGIC;
}

static void start(void) {
  const char *folder = getenv("EDGETPUSIM_VIRTUAL");
  uint32_t random = 1;
  for (int i = 0; i < NOISE; i++) session.noise[i] = (random = random * 1664525 + 1013904223) >> 24;
  if (!folder) return say("no session in $EDGETPUSIM_VIRTUAL", "");
  if (!read_plan(folder)) return say("no plan for this library (logical time needs the Python form) in ", folder);
  if (!read_recorded(folder)) return say("no recorded outputs in ", folder);
  if (!map_state(folder)) return say("no state file of this version in ", folder);
  __atomic_fetch_add(&session.state->attached, 1, __ATOMIC_RELAXED);
  session.ready = 1;
}

/* ---- time: realtime.py ---- */
static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void wait_until(int64_t end_ns, int64_t spin_ns) {
  int64_t sleep_ns = end_ns - spin_ns;
  if (sleep_ns > now_ns()) {
    struct timespec at = {sleep_ns / 1000000000LL, sleep_ns % 1000000000LL};
    prctl(PR_SET_TIMERSLACK, 1);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
    prctl(PR_SET_TIMERSLACK, 0); /* the thread's own again */
  }
  while (now_ns() < end_ns) {}
}

static int take(shared_mutex *mutex) { /* 1 where the last holder died with it */
  int died = pthread_mutex_lock(&mutex->mutex) == EOWNERDEAD;
  if (died) pthread_mutex_consistent(&mutex->mutex);
  return died;
}

/* ---- one pass: device.py ---- */
static int64_t over_bus(int device, int64_t at_ns, int64_t work_ns, int is_out) {
  bus_state *bus = &session.state->buses[session.devices[device].bus];
  int64_t *free_ns = is_out ? &bus->out_free_ns : &bus->in_free_ns;
  wait_until(at_ns, session.spin_ns / 3);
  take(&bus->mutex);
  at_ns = *free_ns = (*free_ns > at_ns ? *free_ns : at_ns) + work_ns;
  pthread_mutex_unlock(&bus->mutex.mutex);
  return at_ns;
}

static int64_t transmit(int device, int64_t at_ns, int64_t n_bytes, int64_t work_ns) {
  int bus = session.devices[device].bus;
  if (bus < 0) return at_ns + work_ns;
  int64_t chunks = (n_bytes + session.chunks[bus] - 1) / session.chunks[bus];
  chunks = chunks < 1 ? 1 : chunks > MOST_CHUNKS ? MOST_CHUNKS : chunks;
  for (int64_t i = 0; i < chunks; i++)
    at_ns = over_bus(device, at_ns, work_ns * (i + 1) / chunks - work_ns * i / chunks, 1);
  return at_ns;
}

static int must_load(device_state *device, int64_t token, uint64_t reference) {
  if (device->token != token) device->token = token, device->n_loaded = 0;
  for (int64_t i = 0; i < device->n_loaded && i < MOST_LOADED; i++)
    if (device->loaded[i] == reference) return 0;
  device->loaded[device->n_loaded++ % MOST_LOADED] = reference;
  return 1;
}

typedef struct { int operator, device; uint64_t reference; size_t at; /* in the recorded outputs */ } kernel;

static void write_log(const event *one, device_state *device) {
  event *log = (event *)(session.state + 1);
  int64_t capacity = session.state->capacity;
  log[one->device * capacity + device->passes % capacity] = *one;
  device->passes++;
}

static int64_t run(const kernel *mine) { /* returns when the device was let go */
  const operator_plan *plan = &session.operators[mine->operator];
  const device_pass *pass = &plan->passes[mine->device];
  device_state *device = &session.state->devices[mine->device];
  event one = {.operator = mine->operator, .device = mine->device, .pid = getpid(), .tid = syscall(SYS_gettid)};
  one.asked_ns = now_ns();
  if (take(&device->mutex)) device->abandoned++, device->token = device->n_loaded = 0;
  int64_t at_ns = one.held_ns = now_ns();
  one.planned_ns = pass->driver_ns + pass->latency_ns + pass->instructions_ns + pass->input_ns + pass->output_ns;
  if (pass->load_bytes && must_load(device, plan->token, mine->reference)) {
    at_ns = transmit(mine->device, at_ns, pass->load_bytes, pass->load_ns);
    one.loaded = 1;
    one.planned_ns += pass->load_ns;
  }
  if (pass->driver_ns > session.spin_ns) wait_until(now_ns() + pass->driver_ns - session.spin_ns, pass->driver_ns);
  at_ns += pass->driver_ns + pass->latency_ns;
  at_ns = one.sent_ns = transmit(mine->device, at_ns, pass->send_bytes, pass->instructions_ns + pass->input_ns);
  for (const step *s = pass->steps; s < pass->steps + pass->n_steps; s++) {
    int64_t computed_ns = at_ns + s->compute_ns;
    if (s->streamed_bytes) at_ns = transmit(mine->device, at_ns, s->streamed_bytes, s->parameters_ns);
    if (computed_ns > at_ns) at_ns = computed_ns;
    one.planned_ns += s->compute_ns > s->parameters_ns ? s->compute_ns : s->parameters_ns;
  }
  one.computed_ns = at_ns;
  one.end_ns = session.devices[mine->device].bus < 0 ? at_ns + pass->output_ns
                                                     : over_bus(mine->device, at_ns, pass->output_ns, 0);
  wait_until(one.end_ns, session.spin_ns);
  one.late_ns = now_ns() - one.end_ns;
  write_log(&one, device);
  pthread_mutex_unlock(&device->mutex.mutex);
  return now_ns();
}

/* ---- TFLite's delegate interface: abi.py ---- */
typedef struct { int size, data[]; } integers;
typedef struct {
  int type;
  void *data;
  integers *dims;
  struct { float scale; int32_t zero_point; } parameters;
  int allocation_type;
  size_t bytes;
  void *allocation, *name, *delegate;
  int buffer_handle;
  _Bool data_is_stale, is_variable;
  int quantisation_type;
  void *quantisation, *sparsity, *dims_signature;
} tensor;
typedef struct {
  integers *inputs, *outputs;
  void *intermediates, *temporaries, *user_data, *builtin_data;
  const void *custom_options;
  int custom_bytes;
} node;
typedef struct context context;
typedef struct {
  void *(*init)(context *, const char *, size_t);
  void (*free)(context *, void *);
  int (*prepare)(context *, node *);
  int (*invoke)(context *, node *);
  void *profiling_string;
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *external, *async_kernel;
  uint64_t inplace_operator;
} registration;
struct context {
  size_t tensors_size;
  int (*get_execution_plan)(context *, integers **);
  tensor *tensors;
  void *impl, *resize_tensor;
  void (*report_error)(context *, const char *, ...);
  void *add_tensors;
  int (*get_node)(context *, int, node **, registration **);
  int (*replace_nodes)(context *, registration, const integers *, void *);
};
typedef struct { void *delegate; integers *nodes, *inputs, *outputs; } delegate_parameters;
typedef struct delegate {
  void *data;
  int (*prepare)(context *, struct delegate *);
  void *copy_from_buffer, *copy_to_buffer, *free_buffer;
  int64_t flags;
  void *opaque_builder;
} delegate;

static void play(kernel *mine, char *target, size_t left) { /* the next bytes; after the last ones the first */
  while (left) {
    size_t part = session.recorded_bytes - mine->at < left ? session.recorded_bytes - mine->at : left;
    memcpy(target, session.recorded + mine->at, part);
    mine->at = (mine->at + part) % session.recorded_bytes;
    target += part, left -= part;
  }
}

static void fill(kernel *mine, const tensor *output) {
  if (session.is_recorded && output->data) return play(mine, output->data, output->bytes);
  for (size_t at = 0; output->data && at < output->bytes; at += NOISE) {
    size_t part = output->bytes - at < NOISE ? output->bytes - at : NOISE;
    if (session.is_noise) memcpy((char *)output->data + at, session.noise, part);
    else memset((char *)output->data + at, 0, part);
  }
}

static int invoke(context *c, node *n) {
  kernel *mine = n->user_data;
  int64_t end_ns = run(mine), copy_ns = session.operators[mine->operator].passes[mine->device].copy_ns;
  for (int i = 0; i < n->outputs->size; i++) fill(mine, &c->tensors[n->outputs->data[i]]);
  wait_until(end_ns + copy_ns, copy_ns);
  return OK;
}

static void *init(context *c, const char *buffer, size_t length) {
  static uint64_t references;
  const delegate_parameters *given = (const void *)buffer;
  node *n;
  registration *r;
  char digest[65];
  (void)length;
  if (c->get_node(c, given->nodes->data[0], &n, &r) || n->custom_bytes <= 0) return NULL;
  sha256(n->custom_options, n->custom_bytes, digest);
  for (int i = 0; i < session.n_operators; i++) {
    if (strcmp(session.operators[i].sha256, digest)) continue;
    kernel *mine = calloc(1, sizeof *mine);
    mine->operator = i;
    mine->device = (int)(intptr_t)((delegate *)given->delegate)->data;
    mine->reference = (uint64_t)getpid() << 32 | __atomic_add_fetch(&references, 1, __ATOMIC_RELAXED);
    return mine;
  }
  c->report_error(c, "edgetpusim virtual: no times for a program of %d bytes: name its file with --model FILE",
                  n->custom_bytes);
  return NULL;
}

static void release(context *c, void *mine) { (void)c, free(mine); }
static int prepare_node(context *c, node *n) { return (void)c, n->user_data ? OK : FAILED; }

static int contradicts(const tensor *t) { /* bytes are the product of extents and of the element's bytes */
  static const size_t element_bytes[] = {[1] = 4, [2] = 4, [3] = 1, [4] = 8, [6] = 1, [7] = 2, [9] = 1, [10] = 2};
  if (t->type < 0 || t->type > 10 || !t->dims || t->dims->size > 8) return 1;
  size_t bytes = element_bytes[t->type];
  for (int i = 0; i < t->dims->size; i++) bytes *= t->dims->data[i];
  return bytes != t->bytes;
}

static int take_over(context *c, delegate *d, int number, const node *n) {
  static const registration own = {init, release, prepare_node, invoke, NULL, 0, "EdgeTpuDelegateForCustomOp", 1,
                                   NULL, NULL, 0};
  for (int side = 0; side < 2; side++) {
    const integers *list = side ? n->outputs : n->inputs;
    for (int i = 0; i < list->size; i++)
      if (contradicts(&c->tensors[list->data[i]]))
        return c->report_error(c, "edgetpusim virtual: this version of TFLite is not known"), FAILED;
  }
  integers *one = malloc(sizeof *one + sizeof(int));
  one->size = 1;
  one->data[0] = number;
  int status = c->replace_nodes(c, own, one, d);
  free(one);
  return status;
}

static int prepare(context *c, delegate *d) {
  integers *plan;
  if (c->get_execution_plan(c, &plan)) return FAILED;
  int count = plan->size, status = OK, *numbers = malloc((count + 1) * sizeof(int));
  memcpy(numbers, plan->data, count * sizeof(int)); /* the plan changes while nodes are replaced */
  for (int i = 0; i < count && status == OK; i++) {
    node *n;
    registration *r;
    if (c->get_node(c, numbers[i], &n, &r)) status = FAILED;
    else if (r->custom_name && !strcmp(r->custom_name, "edgetpu-custom-op")) status = take_over(c, d, numbers[i], n);
  }
  free(numbers);
  return status;
}

/* ---- the library's functions: driver.py ---- */
static delegate *make(int number) {
  delegate *d = calloc(1, sizeof *d);
  d->data = (void *)(intptr_t)number;
  d->prepare = prepare;
  d->flags = 1; /* dynamic tensors, as libedgetpu allows */
  return d;
}

static int find_device(const char *text) {
  int is_usb = !strncmp(text, "usb", 3), any = !is_usb && strncmp(text, "pci", 3), seen = 0;
  const char *rest = any ? text : text + 3;
  if (*rest && *rest != ':') return -1;
  int index = *rest ? atoi(rest + 1) : 0;
  for (int i = 0; i < session.n_devices; i++)
    if ((any || session.devices[i].is_usb == is_usb) && seen++ == index) return i;
  return -1;
}

EXPORT delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t n, void (*report)(const char *)) {
  const char *which = "";
  pthread_once(&once, start);
  for (size_t i = 0; i < n; i++)
    if (!strcmp(keys[i], "device")) which = values[i];
  int number = session.ready ? find_device(which) : -1;
  if (number < 0 && report) report("edgetpusim virtual: no such device");
  return number < 0 ? NULL : make(number);
}
EXPORT void tflite_plugin_destroy_delegate(delegate *d) { (void)d; } /* interpreters may outlive it */

struct edgetpu_device { int type; const char *path; };
EXPORT struct edgetpu_device *edgetpu_list_devices(size_t *n) {
  pthread_once(&once, start);
  *n = session.n_devices;
  struct edgetpu_device *list = calloc(*n + 1, sizeof *list);
  for (size_t i = 0; i < *n; i++) list[i] = (struct edgetpu_device){session.devices[i].is_usb, session.devices[i].path};
  return list;
}
EXPORT void edgetpu_free_devices(struct edgetpu_device *list) { free(list); }
EXPORT delegate *edgetpu_create_delegate(int type, const char *path, const void *options, size_t n) {
  (void)options, (void)n;
  pthread_once(&once, start);
  for (int i = 0; session.ready && i < session.n_devices; i++)
    if (session.devices[i].is_usb == type && (!path || !strcmp(session.devices[i].path, path))) return make(i);
  return NULL;
}
EXPORT void edgetpu_free_delegate(delegate *d) { (void)d; }
EXPORT void edgetpu_verbosity(int level) { (void)level; }
EXPORT const char *edgetpu_version(void) { return "BuildLabel(edgetpusim virtual), RuntimeVersion(14)"; }
