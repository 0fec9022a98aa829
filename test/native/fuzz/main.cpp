// Streams of bytes, well-formed and not, through a socket into an NBD server:
//
//   block_backend_fuzz --seed 7 --inputs 1000000 [--engine io_uring|threads] [--show]
//
// Every input is a number. The engines take turns; a problem is repeated by its seed and one input.
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "fuzz/nbd-fuzzer.hpp"

// NOLINTNEXTLINE(bugprone-reserved-identifier): it is the sanitizer's
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*)());

namespace {

using namespace blk;
using namespace blk::fuzz;

/// Seconds for so many inputs; a loop that does not end would be seen by nobody.
constexpr unsigned kLimit = 120;
constexpr std::uint64_t kBatch = 256;
/// After so many, a long run says that it goes on.
constexpr std::uint64_t kWord = 100'000;
/// What the process may grow by after the first tenth, in bytes.
constexpr std::size_t kMostGrowth = 64U << 20;

volatile std::uint64_t current_seed = 0;  // for whoever dies

void tell_seed() {
  char text[64];
  const int length = std::snprintf(text, sizeof(text), "fuzz: it was seed %" PRIu64 "\n",
                                   static_cast<std::uint64_t>(current_seed));
  [[maybe_unused]] const ssize_t written =
      ::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
}

void die(int number) {
  tell_seed();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t inputs = 1000;
  std::string engine;
  bool show = false;
};

bool parse_number(const char* text, std::uint64_t& value) {
  char* end = nullptr;
  errno = 0;
  value = std::strtoull(text, &end, 10);
  return errno == 0 && end != text && *end == '\0';
}

bool parse(int count, char** words, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--show") {
      options.show = true;
    } else if (i + 1 == count) {
      return false;
    } else if (word == "--engine") {
      options.engine = words[++i];
    } else if (word == "--seed" ? !parse_number(words[++i], options.seed)
                                : word != "--inputs" || !parse_number(words[++i], options.inputs)) {
      return false;
    }
  }
  return options.engine.empty() || options.engine == "io_uring" || options.engine == "threads";
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

struct Engine {
  const char* name;
  std::unique_ptr<Fuzzer> fuzzer;
};

bool add_engine(const Options& options, const char* name, aio::EngineChoice choice,
                std::vector<Engine>& engines) {
  if (!options.engine.empty() && options.engine != name) {
    return true;
  }
  std::unique_ptr<World> world = World::make(choice);
  if (world == nullptr) {
    std::fprintf(stderr, "fuzz: there is no engine %s here\n", name);
    return true;
  }
  engines.push_back({name, std::make_unique<Fuzzer>(std::move(world))});
  const std::string problem = engines.back().fuzzer->prepare();
  if (!problem.empty()) {
    std::fprintf(stderr, "fuzz: %s: %s\n", name, problem.c_str());
  }
  return problem.empty();
}

// False: a problem was found, and told.
bool run_input(const Options& options, Engine& engine, std::uint64_t seed) {
  current_seed = seed;
  const Script script = make_script(seed);
  if (options.show) {
    std::fprintf(stderr, "%s", describe(script).c_str());
  }
  const std::string problem = engine.fuzzer->run(script);
  if (problem.empty()) {
    return true;
  }
  std::fprintf(stderr, "fuzz: seed %" PRIu64 ", engine %s: %s\n%s", seed, engine.name,
               problem.c_str(), describe(script).c_str());
  return false;
}

bool run_all(const Options& options, std::vector<Engine>& engines) {
  std::size_t settled = 0;
  for (std::uint64_t index = 0; index < options.inputs; ++index) {
    if (index % kBatch == 0) {
      ::alarm(kLimit);
    }
    if (index % kWord == 0 && index != 0) {
      std::fprintf(stderr, "fuzz: %" PRIu64 " inputs\n", index);
    }
    if (index == options.inputs / 10) {
      settled = resident_bytes();
    }
    const std::uint64_t seed = options.seed + index;
    if (!run_input(options, engines[seed % engines.size()], seed)) {
      return false;
    }
  }
  ::alarm(0);
  const std::size_t now = resident_bytes();
  if (options.inputs >= 10'000 && now > settled + kMostGrowth) {
    std::fprintf(stderr, "fuzz: the process has grown by %zu bytes\n", now - settled);
    return false;
  }
  return true;
}

void tell(const Engine& engine) {
  const Tally& tally = engine.fuzzer->tally();
  std::fprintf(stderr,
               "fuzz: %s: %" PRIu64 " inputs, %" PRIu64 " options answered, %" PRIu64
               " transmissions, %" PRIu64 " requests: %" PRIu64 " succeeded, %" PRIu64
               " refused; %" PRIu64 " writes\n",
               engine.name, tally.inputs, tally.options, tally.transmissions, tally.requests,
               tally.successes, tally.refusals, tally.writes);
}

}  // namespace

int main(int count, char** words) {
  Options options;
  if (!parse(count, words, options)) {
    std::fprintf(stderr, "fuzz: --seed N --inputs N [--engine io_uring|threads] [--show]\n");
    return 2;
  }
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(tell_seed);
    ::signal(SIGALRM, die);
  } else {
    for (const int number : {SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) {
      ::signal(number, die);
    }
  }
  ::signal(SIGPIPE, SIG_IGN);
  // Or every connection's buffers would come from the kernel, and go back to it.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 20);
  std::vector<Engine> engines;
  const bool ready = add_engine(options, "io_uring", aio::EngineChoice::kIoUring, engines) &&
                     add_engine(options, "threads", aio::EngineChoice::kThreads, engines) &&
                     !engines.empty();
  const bool sound = ready && run_all(options, engines);
  for (const Engine& engine : engines) {
    tell(engine);
  }
  if (sound) {
    std::fprintf(stderr, "fuzz: nothing found\n");
  }
  return sound ? 0 : 1;
}
