/* A wall clock that steps: preloaded before the C library, it adds the nanoseconds that the file named by
 * ECG_CLOCK holds as a decimal number to CLOCK_REALTIME. No other clock and no other process is touched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long step(void) {
    const char *control = getenv("ECG_CLOCK");
    char text[32] = {0};
    if (!control)
        return 0;
    long fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return atoll(text);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static __typeof__(&clock_gettime) real;
    if (!real)
        real = (__typeof__(&clock_gettime))dlsym(RTLD_NEXT, "clock_gettime");
    int outcome = real(clock, time);
    if (outcome == 0 && clock == CLOCK_REALTIME) {
        const long long second = 1000000000;
        long long now = time->tv_sec * second + time->tv_nsec + step();
        time->tv_sec = now / second - (now % second < 0);
        time->tv_nsec = (now % second + second) % second;
    }
    return outcome;
}
