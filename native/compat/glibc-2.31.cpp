// Compiled into the published binaries for glibc only (OLDEST_GLIBC). They are made with a newer C
// and C++ library than the oldest that they run on. What the newer headers make of our calls and
// the older libraries lack is here instead; the addon's list of exports keeps it inside.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <new>

extern "C" {

// Since glibc 2.33 these are functions of the library; before, they were inline. On x86-64 and
// ARM64 the kernel's structure is the library's.
int stat(const char* path, struct stat* status) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, 0));
}

int lstat(const char* path, struct stat* status) noexcept {
  return static_cast<int>(syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW));
}

int fstat(int fd, struct stat* status) noexcept {
  return static_cast<int>(syscall(SYS_fstat, fd, status));
}

// glibc 2.32: whether shared_ptr may count without atomics. A Node process always has threads.
extern char __libc_single_threaded;
char __libc_single_threaded = 0;

}  // extern "C"

// GCC 11 has it in the library.
void std::__throw_bad_array_new_length() { throw std::bad_array_new_length(); }
