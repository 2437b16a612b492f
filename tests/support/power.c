/* Records what a process asks the disk to do below one folder, in order: what a power cut may leave follows from it.
   LD_PRELOAD; POWER_FOLDER and POWER_LOG say where. A record: kind, path length, offset, data length, path, data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 4096
static char *known[MOST];
static int journal = -1;
static const char *folder;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

struct head { uint32_t kind, path; uint64_t offset, size; };

static void put(const void *data, size_t size) {
    const char *at = data;
    while (size) {
        ssize_t done = syscall(SYS_write, journal, at, size);
        if (done <= 0) abort();
        at += done; size -= done;
    }
}

static void note(char kind, const char *path, uint64_t offset, const void *data, uint64_t size) {
    struct head head = {(uint32_t)kind, (uint32_t)strlen(path), offset, size};
    put(&head, sizeof head); put(path, head.path);
    if (data) put(data, size);
}

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("POWER_LOG");
    folder = getenv("POWER_FOLDER");
    if (log && folder) journal = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) { return journal >= 0 && !strncmp(path, folder, strlen(folder)); }
static const char *of(int fd) { return fd >= 0 && fd < MOST ? known[fd] : 0; }
#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })
#define LOCKED(work) ({ pthread_mutex_lock(&turn); __typeof__(work) done = (work); done; })
#define FREE pthread_mutex_unlock(&turn)

static int opened(const char *path, int flags, int fd, int was_there) {
    if (fd >= 0 && fd < MOST && is_ours(path)) {
        free(known[fd]); known[fd] = strdup(path);
        if ((flags & O_CREAT) && !was_there) note('C', path, 0, 0, 0);
        if ((flags & O_TRUNC) && was_there) note('T', path, 0, 0, 0);
    }
    return fd;
}
#define OPENING(name) \
int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; va_end(more); \
    struct stat seen; pthread_mutex_lock(&turn); int before = errno; int was_there = !stat(path, &seen); errno = before; \
    int fd = opened(path, flags, REAL(name)(path, flags, mode), was_there); FREE; return fd; }
OPENING(open)
OPENING(open64)

int close(int fd) {
    pthread_mutex_lock(&turn);
    if (of(fd)) { free(known[fd]); known[fd] = 0; }
    int done = REAL(close)(fd); FREE; return done;
}

#define WRITING(name, offset_type) \
ssize_t name(int fd, const void *data, size_t size, offset_type offset) { \
    ssize_t done = LOCKED(REAL(name)(fd, data, size, offset)); \
    if (done > 0 && of(fd)) note('W', of(fd), offset, data, done); \
    FREE; return done; }
WRITING(pwrite, off_t)
WRITING(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t size) {
    if (!of(fd)) return REAL(write)(fd, data, size);
    pthread_mutex_lock(&turn);
    off_t at = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, data, size);
    if (done > 0) note('W', of(fd), at, data, done);
    FREE; return done;
}

#define CUTTING(name, offset_type) \
int name(int fd, offset_type size) { \
    int done = LOCKED(REAL(name)(fd, size)); if (!done && of(fd)) note('T', of(fd), size, 0, 0); FREE; return done; }
CUTTING(ftruncate, off_t)
CUTTING(ftruncate64, off64_t)

#define FLUSHING(name) \
int name(int fd) { \
    int done = LOCKED(REAL(name)(fd)); \
    if (!done && of(fd)) { struct stat seen; fstat(fd, &seen); note(S_ISDIR(seen.st_mode) ? 'D' : 'S', of(fd), 0, 0, 0); } \
    FREE; return done; }
FLUSHING(fsync)
FLUSHING(fdatasync)

int unlink(const char *path) {
    int done = LOCKED(REAL(unlink)(path)); if (!done && is_ours(path)) note('U', path, 0, 0, 0); FREE; return done;
}
int rename(const char *from, const char *to) {
    int done = LOCKED(REAL(rename)(from, to));
    if (!done && is_ours(from)) note('R', from, 0, to, strlen(to));
    FREE; return done;
}
