// The limit that the benchmark measures against: the least that a program must do to keep an
// io_uring busy from one thread. One registered file, fixed buffers, one system call per batch, no
// clock and no allocation per request.
//
//   limit [-w] [-s] [-D] [-b bytes] [-d depth] [-t seconds] [-n requests] FILE
//
// Reads, or with -w writes, blocks at random places, or with -s one after the other, for some
// seconds or, with -n, a number of requests; -D: O_DIRECT. Prints one line of JSON. Exit codes: 0,
// 1 when a request or a system call fails, 2 for a command line that makes no sense.
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  RING_ENTRIES = 256,
  SECTOR = 512,
  LARGEST_BLOCK = 64 << 20,
  // As bench/lib/load-loop.mjs does: a look at the clock costs as much as a part of a request.
  REQUESTS_PER_LOOK = 16,
};

static const double WARM_UP_SECONDS = 0.3;

struct load {
  bool writes;
  bool sequential;
  bool direct;
  uint32_t block_size;
  uint32_t depth;
  double seconds;
  uint64_t most;  // requests; 0: no limit
  const char* path;

  struct io_uring ring;
  unsigned char* memory;  // of all lanes, one after the other
  uint64_t blocks;
  uint64_t next_block;
  uint32_t random_state;
};

struct cpu_time {
  double user_us;
  double system_us;
};

struct result {
  uint64_t requests;
  double seconds;
  struct cpu_time cpu;
};

static int fail(const char* what, int error) {
  fprintf(stderr, "limit: %s: %s\n", what, strerror(error));
  return 1;
}

static double monotonic_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double microseconds(struct timeval time) {
  return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

// Of the whole process: what the kernel's workers do for it counts as well.
static struct cpu_time cpu_time(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (struct cpu_time){microseconds(usage.ru_utime), microseconds(usage.ru_stime)};
}

// xorshift32, the same offsets as those of the sides in JavaScript.
static uint64_t next_offset(struct load* load) {
  if (load->sequential) {
    uint64_t block = load->next_block;
    load->next_block = block + 1 == load->blocks ? 0 : block + 1;
    return block * load->block_size;
  }
  uint32_t x = load->random_state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  load->random_state = x;
  return x % load->blocks * load->block_size;
}

// There is an entry: the ring has more of them than there are lanes.
static void queue(struct load* load, uint64_t lane) {
  struct io_uring_sqe* sqe = io_uring_get_sqe(&load->ring);
  unsigned char* buffer = load->memory + lane * load->block_size;
  uint64_t offset = next_offset(load);
  if (load->writes) {
    io_uring_prep_write_fixed(sqe, 0, buffer, load->block_size, offset, 0);
  } else {
    io_uring_prep_read_fixed(sqe, 0, buffer, load->block_size, offset, 0);
  }
  sqe->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(sqe, lane);
}

static bool is_over(const struct load* load, uint64_t requests, double deadline) {
  if (load->most != 0) return requests >= load->most;
  return monotonic_seconds() >= deadline;
}

// Keeps all lanes busy until the time is over, then waits for what is under way.
static int run(struct load* load, double seconds, struct result* result) {
  const double start = monotonic_seconds();
  const double deadline = start + seconds;
  const struct cpu_time before = cpu_time();
  uint64_t requests = 0;
  uint64_t next_look = REQUESTS_PER_LOOK;
  bool over = false;
  uint32_t in_flight = load->depth;
  for (uint32_t lane = 0; lane < load->depth; lane++) queue(load, lane);
  while (in_flight > 0) {
    int error = io_uring_submit_and_wait(&load->ring, 1);
    if (error < 0 && error != -EINTR) return fail("io_uring_enter", -error);
    struct io_uring_cqe* cqe;
    unsigned head;
    unsigned count = 0;
    io_uring_for_each_cqe(&load->ring, head, cqe) {
      if (cqe->res < 0) return fail(load->path, -cqe->res);
      if ((uint32_t)cqe->res != load->block_size) return fail(load->path, EIO);
      count++;
      if (over) {
        in_flight--;
      } else {
        queue(load, cqe->user_data);
      }
    }
    io_uring_cq_advance(&load->ring, count);
    requests += count;
    if (requests >= next_look && !over) {
      next_look = requests + REQUESTS_PER_LOOK;
      over = is_over(load, requests, deadline);
    }
  }
  result->requests = requests;
  result->seconds = monotonic_seconds() - start;
  const struct cpu_time after = cpu_time();
  result->cpu.user_us = after.user_us - before.user_us;
  result->cpu.system_us = after.system_us - before.system_us;
  return 0;
}

static int open_ring(struct io_uring* ring) {
  struct io_uring_params params;
  memset(&params, 0, sizeof(params));
  params.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER;
  int error = io_uring_queue_init_params(RING_ENTRIES, ring, &params);
  if (error != -EINVAL) return error;
  // A kernel before 6.0.
  memset(&params, 0, sizeof(params));
  return io_uring_queue_init_params(RING_ENTRIES, ring, &params);
}

static int open_file(struct load* load, int* fd) {
  int flags = (load->writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | (load->direct ? O_DIRECT : 0);
  *fd = open(load->path, flags);
  if (*fd < 0) return fail(load->path, errno);
  struct stat status;
  if (fstat(*fd, &status) != 0) return fail(load->path, errno);
  load->blocks = (uint64_t)status.st_size / load->block_size;
  if (load->blocks == 0) return fail(load->path, ENODATA);
  return 0;
}

// Touched, so that no page of it is made while the load runs, and not of zeroes, in case a file
// system looks for those.
static int make_memory(struct load* load, struct iovec* memory) {
  size_t bytes = (size_t)load->block_size * load->depth;
  void* base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return fail("mmap", errno);
  memset(base, 0x5a, bytes);
  load->memory = base;
  memory->iov_base = base;
  memory->iov_len = bytes;
  return 0;
}

static int prepare(struct load* load) {
  int fd;
  struct iovec memory;
  if (open_file(load, &fd) != 0 || make_memory(load, &memory) != 0) return 1;
  int error = open_ring(&load->ring);
  if (error < 0) return fail("io_uring_setup", -error);
  error = io_uring_register_files(&load->ring, &fd, 1);
  if (error < 0) return fail("registering the file", -error);
  error = io_uring_register_buffers(&load->ring, &memory, 1);
  if (error < 0) return fail("registering the buffers", -error);
  return 0;
}

static bool parse_number(const char* text, double least, double most, double* value) {
  char* end;
  errno = 0;
  *value = strtod(text, &end);
  return errno == 0 && end != text && *end == '\0' && *value >= least && *value <= most;
}

static bool parse(int argc, char** argv, struct load* load) {
  double value;
  int option;
  while ((option = getopt(argc, argv, "wsDb:d:t:n:")) != -1) {
    if (option == 'w') {
      load->writes = true;
    } else if (option == 's') {
      load->sequential = true;
    } else if (option == 'D') {
      load->direct = true;
    } else if (option == 'b' && parse_number(optarg, SECTOR, LARGEST_BLOCK, &value)) {
      load->block_size = (uint32_t)value / SECTOR * SECTOR;
    } else if (option == 'd' && parse_number(optarg, 1, RING_ENTRIES, &value)) {
      load->depth = (uint32_t)value;
    } else if (option == 't' && parse_number(optarg, 0, 1e6, &value)) {
      load->seconds = value;
    } else if (option == 'n' && parse_number(optarg, 1, 1e15, &value)) {
      load->most = (uint64_t)value;
    } else {
      return false;
    }
  }
  if (optind != argc - 1) return false;
  load->path = argv[optind];
  return true;
}

static void print(const struct load* load, const struct result* result) {
  const double requests = (double)result->requests;
  // By Little's law: the mean of all, without a clock read for each of them.
  printf("{\"requests\":%" PRIu64 ",\"bytes\":%" PRIu64
         ",\"seconds\":%.6f,\"iops\":%.1f,\"cpu_us_per_io\":%.4f,\"system_us_per_io\":%.4f"
         ",\"latency_us\":%.4f}\n",
         result->requests, result->requests * load->block_size, result->seconds,
         requests / result->seconds, (result->cpu.user_us + result->cpu.system_us) / requests,
         result->cpu.system_us / requests, load->depth * result->seconds * 1e6 / requests);
}

int main(int argc, char** argv) {
  static struct load load = {
      .block_size = 4096, .depth = 32, .seconds = 1, .random_state = 0x9e3779b9};
  if (!parse(argc, argv, &load)) {
    fprintf(
        stderr,
        "usage: limit [-w] [-s] [-D] [-b 512..64M] [-d 1..%d] [-t seconds] [-n requests] FILE\n",
        RING_ENTRIES);
    return 2;
  }
  struct result result;
  if (prepare(&load) != 0) return 1;
  if (load.most == 0 && run(&load, WARM_UP_SECONDS, &result) != 0) return 1;
  if (run(&load, load.seconds, &result) != 0) return 1;
  print(&load, &result);
  return 0;
}
