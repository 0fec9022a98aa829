// Test cases that change their process for good (seccomp filters, limits, user id) run in a process
// of their own: this binary again, with only that case.
#pragma once

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>

namespace blk::test {

inline constexpr const char* kChildVariable = "BLOCK_BACKEND_TEST_CHILD";

/// True in the child. Cases for children are marked skip() and return at once elsewhere, in case
/// somebody runs the binary with --no-skip.
inline bool in_child() { return std::getenv(kChildVariable) != nullptr; }

/// Runs the skipped case `name` in a child; its exit status, 0 when every check held.
inline int run_in_child(const char* name) {
  std::string filter = std::string("--test-case=") + name;
  pid_t child = fork();
  if (child == 0) {
    setenv(kChildVariable, "1", 1);
    alarm(120);
    execl("/proc/self/exe", "child", filter.c_str(), "--no-skip", "--minimal", nullptr);
    _exit(126);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

/// From now on `system_call` fails with `error` in this thread and those it starts. With
/// `argument` >= 0 only when its argument of that number equals `value`.
inline bool forbid(int system_call, int error, int argument = -1, unsigned value = 0) {
  const unsigned refusal = SECCOMP_RET_ERRNO | (static_cast<unsigned>(error) & SECCOMP_RET_DATA);
  const auto number = static_cast<unsigned>(offsetof(seccomp_data, nr));
  // The low half of the argument, on little-endian machines.
  const auto low = static_cast<unsigned>(offsetof(seccomp_data, args)) +
                   8 * static_cast<unsigned>(argument < 0 ? 0 : argument);
  const auto wanted = static_cast<unsigned>(system_call);
  sock_filter any[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, refusal),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_filter some[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, number), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low),    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, refusal),         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{};
  program.len = argument < 0 ? 4 : 6;
  program.filter = argument < 0 ? any : some;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

}  // namespace blk::test
