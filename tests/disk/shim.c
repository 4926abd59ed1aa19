/* A disk that misbehaves: preloaded before the C library, it lets writes to databases fail or wait as
 * the first byte of the file named by ECG_DISK says:
 *   f  full (ENOSPC)      r  read-only (EROFS)      e  input/output error (EIO)
 *   s  fsync takes ECG_DISK_SLOW_MS                  anything else: as it is
 * Only files with ".db" in their path are meant, their -wal, -shm and .lock among them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static char mode(void) {
    const char *control = getenv("ECG_DISK");
    char byte = 'n';
    if (!control)
        return byte;
    long fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return byte;
    if (syscall(SYS_read, fd, &byte, 1) != 1)
        byte = 'n';
    syscall(SYS_close, fd);
    return byte;
}

static int is_database(int fd) {
    char link[64], path[4096];
    char *end = link + sizeof link - 1;
    *end = 0;
    do { *--end = (char)('0' + fd % 10); fd /= 10; } while (fd);
    static const char folder[] = "/proc/self/fd/";
    char name[64];
    strcpy(name, folder);
    strcat(name, end);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strstr(path, ".db") != NULL;
}

static int refused(int fd) {
    char now = mode();
    int error = now == 'f' ? ENOSPC : now == 'r' ? EROFS : now == 'e' ? EIO : 0;
    if (!error || !is_database(fd))
        return 0;
    errno = error;
    return 1;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(write);
    return refused(fd) ? -1 : real(fd, bytes, count);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    REAL(pwrite);
    return refused(fd) ? -1 : real(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    REAL(pwrite64);
    return refused(fd) ? -1 : real(fd, bytes, count, offset);
}

int ftruncate(int fd, off_t length) {
    REAL(ftruncate);
    return refused(fd) ? -1 : real(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    REAL(ftruncate64);
    return refused(fd) ? -1 : real(fd, length);
}

static int sync_refused(int fd) {
    char now = mode();
    if (now == 's' && is_database(fd)) {
        const char *ms = getenv("ECG_DISK_SLOW_MS");
        long slow = ms ? atol(ms) : 2000;
        struct timespec wait = {slow / 1000, slow % 1000 * 1000000};
        nanosleep(&wait, NULL);
    }
    if (now == 'e' && is_database(fd)) {
        errno = EIO;
        return 1;
    }
    return 0;
}

int fsync(int fd) {
    REAL(fsync);
    return sync_refused(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_refused(fd) ? -1 : real(fd);
}

static int open_refused(const char *path, int flags) {
    if (mode() != 'r' || (flags & O_ACCMODE) == O_RDONLY || !strstr(path, ".db"))
        return 0;
    errno = EROFS;
    return 1;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t bits = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return open_refused(path, flags) ? -1 : real(path, flags, bits); \
    }
OPENS(open)
OPENS(open64)
