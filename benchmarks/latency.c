/* Delays requests to the file system below one folder, as a server of a network file system would.
 *
 * To be preloaded (LD_PRELOAD). LATENCY_BELOW names the folder, LATENCY_US the delay in microseconds of
 * each request about a path below it; LATENCY_COUNT a file that takes the number of such requests when
 * the process ends. What is asked of a file that is open already (read, write, fstat) is not delayed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_long count;

static void wait_for_server(const char *path) {
  const char *below = getenv("LATENCY_BELOW"), *delay = getenv("LATENCY_US");
  if (!below || !delay || !path || strncmp(path, below, strlen(below)))
    return;
  atomic_fetch_add(&count, 1);
  prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  long us = atol(delay);
  struct timespec pause = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&pause, NULL);
}

__attribute__((destructor)) static void tell(void) {
  const char *path = getenv("LATENCY_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) {
    fprintf(file, "%ld\n", atomic_load(&count));
    fclose(file);
  }
}

#define NEXT(type, name)                                                                           \
  ({                                                                                               \
    static __typeof__(type) next;                                                                              \
    if (!next)                                                                                     \
      next = (__typeof__(type))dlsym(RTLD_NEXT, #name);                                            \
    next;                                                                                          \
  })

#define DELAYED(result, name, parameters, arguments, path)                                         \
  result name parameters {                                                                         \
    wait_for_server(path);                                                                         \
    return NEXT(result(*) parameters, name) arguments;                                             \
  }

DELAYED(int, stat, (const char *p, struct stat *s), (p, s), p)
DELAYED(int, stat64, (const char *p, struct stat64 *s), (p, s), p)
DELAYED(int, lstat, (const char *p, struct stat *s), (p, s), p)
DELAYED(int, lstat64, (const char *p, struct stat64 *s), (p, s), p)
DELAYED(int, fstatat, (int d, const char *p, struct stat *s, int f), (d, p, s, f), p)
DELAYED(int, fstatat64, (int d, const char *p, struct stat64 *s, int f), (d, p, s, f), p)
DELAYED(int, access, (const char *p, int m), (p, m), p)
DELAYED(int, mkdir, (const char *p, mode_t m), (p, m), p)
DELAYED(int, rmdir, (const char *p), (p), p)
DELAYED(int, unlink, (const char *p), (p), p)
DELAYED(int, chmod, (const char *p, mode_t m), (p, m), p)
DELAYED(int, symlink, (const char *t, const char *p), (t, p), p)
DELAYED(int, rename, (const char *o, const char *p), (o, p), p)
DELAYED(ssize_t, readlink, (const char *p, char *b, size_t n), (p, b, n), p)
DELAYED(DIR *, opendir, (const char *p), (p), p)

#define OPEN(name)                                                                                 \
  int name(const char *p, int flags, ...) {                                                        \
    va_list more;                                                                                  \
    va_start(more, flags);                                                                         \
    mode_t mode = va_arg(more, mode_t);                                                            \
    va_end(more);                                                                                  \
    wait_for_server(p);                                                                            \
    return NEXT(int (*)(const char *, int, mode_t), name)(p, flags, mode);                         \
  }

OPEN(open)
OPEN(open64)
