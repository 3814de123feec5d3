/* Faults on purpose: preloaded before the C library, it lets the n-th call that changes a watched folder fail.
 *
 * Python and Polars reach the disk by these functions of the C library, so that one place is enough. Nothing happens
 * until `fault_arm` is called. Calls are counted that write, sync, name, make, cut, remove or close (after writing)
 * anything below the folder; each is noted in a trace, one line: number, function, path.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OFF, COUNT, FAIL, FULL, SHORT, TORN, KILL_BEFORE, KILL_AFTER, FLIP };

/* What a call needs of the disk: a full one refuses those that need room. */
enum { ROOMLESS, ROOM, BYTES };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int mode = OFF;
static long counted, target;
static int trace = -1;
static char root[PATH_MAX];
static char flipped[PATH_MAX];
static long flipped_bit;

/* Watch `folder` (absolute, no link in it) and let the `n`-th call fail in the way `how`; note calls in `into`. */
void fault_arm(const char *folder, int how, long n, int into) {
    snprintf(root, sizeof root, "%s", folder);
    mode = how;
    target = n;
    counted = 0;
    trace = into;
}

/* With FLIP: the bit of a file that turns over before the n-th call. */
void fault_flip(const char *path, long bit) {
    snprintf(flipped, sizeof flipped, "%s", path);
    flipped_bit = bit;
}

static int below(const char *path) {
    size_t size = strlen(root);
    return strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static int of_descriptor(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, descriptor == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

static int of_name(int folder, const char *name, char *path) {
    char base[PATH_MAX] = "";
    if (name[0] != '/' && !of_descriptor(folder, base)) return 0;
    return snprintf(path, PATH_MAX, "%s%s%s", base, name[0] == '/' ? "" : "/", name) < PATH_MAX;
}

static int writable(int descriptor) {
    int flags = (int)syscall(SYS_fcntl, descriptor, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

static void die(void) { syscall(SYS_kill, syscall(SYS_getpid), SIGKILL); }

static void turn_over(void) {
    unsigned char byte;
    int file = (int)syscall(SYS_openat, AT_FDCWD, flipped, O_RDWR);
    if (file < 0) return;
    if (syscall(SYS_pread64, file, &byte, 1L, flipped_bit / 8) == 1) {
        byte ^= (unsigned char)(1 << flipped_bit % 8);
        syscall(SYS_pwrite64, file, &byte, 1L, flipped_bit / 8);
    }
    syscall(SYS_close, file);
}

/* Count a call. Returns what is to happen to it, COUNT for nothing; kills before it and turns bits over itself. */
static int due(const char *call, const char *path, int need) {
    if (mode == OFF || !below(path)) return COUNT;
    pthread_mutex_lock(&guard);
    long number = ++counted;
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
    if (trace >= 0) syscall(SYS_write, trace, line, (long)size);
    int action = number == target || (mode == FULL && number > target && need != ROOMLESS) ? mode : COUNT;
    pthread_mutex_unlock(&guard);
    if (action == KILL_BEFORE) die();
    if (action == FLIP) turn_over();
    return action;
}

static int fails(int action) {
    if (action != FAIL && action != FULL) return 0;
    errno = action == FAIL ? EIO : ENOSPC;
    return 1;
}

static long after(int action, long result) {
    if (action == KILL_AFTER || action == TORN) die();
    return result;
}

/* How many bytes of a write get through. */
static size_t part(int action, size_t size) {
    int half = action == SHORT || action == TORN || (action == FULL && counted == target);
    return half && size > 1 ? size / 2 : size;
}

static int all_fails(int action, size_t size) {
    return (action == FULL && counted == target && size > 1) ? 0 : fails(action);
}

ssize_t write(int descriptor, const void *data, size_t size) {
    char path[PATH_MAX];
    int action = mode != OFF && of_descriptor(descriptor, path) ? due("write", path, BYTES) : COUNT;
    if (all_fails(action, size)) return -1;
    return after(action, syscall(SYS_write, descriptor, data, part(action, size)));
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
    char path[PATH_MAX];
    int action = mode != OFF && of_descriptor(descriptor, path) ? due("pwrite", path, BYTES) : COUNT;
    if (all_fails(action, size)) return -1;
    return after(action, syscall(SYS_pwrite64, descriptor, data, part(action, size), at));
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off_t at) { return pwrite(descriptor, data, size, at); }

ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    char path[PATH_MAX];
    int action = mode != OFF && of_descriptor(descriptor, path) ? due("writev", path, BYTES) : COUNT;
    if (fails(action)) return -1;
    if ((action == SHORT || action == TORN) && count > 0)
        return after(action, syscall(SYS_write, descriptor, pieces[0].iov_base, part(action, pieces[0].iov_len)));
    return after(action, syscall(SYS_writev, descriptor, pieces, count));
}

static int synced(const char *call, long number, int descriptor) {
    char path[PATH_MAX];
    int action = mode != OFF && of_descriptor(descriptor, path) ? due(call, path, ROOMLESS) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(number, descriptor));
}

int fsync(int descriptor) { return synced("fsync", SYS_fsync, descriptor); }
int fdatasync(int descriptor) { return synced("fdatasync", SYS_fdatasync, descriptor); }

static int renamed(int from, const char *old, int to, const char *new, unsigned flags) {
    char path[PATH_MAX];
    int action = mode != OFF && of_name(to, new, path) ? due("rename", path, ROOMLESS) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(SYS_renameat2, from, old, to, new, flags));
}

int rename(const char *old, const char *new) { return renamed(AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return renamed(from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return renamed(from, old, to, new, flags);
}

static int opened(int folder, const char *name, int flags, mode_t rights) {
    char path[PATH_MAX];
    int writes = (flags & O_ACCMODE) != O_RDONLY && (flags & O_DIRECTORY) == 0;
    int need = flags & O_CREAT ? ROOM : ROOMLESS;
    int action = mode != OFF && writes && of_name(folder, name, path) ? due("open", path, need) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(SYS_openat, folder, name, flags, rights));
}

#define RIGHTS(flags)                                          \
    mode_t rights = 0;                                         \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {    \
        va_list more;                                          \
        va_start(more, flags);                                 \
        rights = va_arg(more, mode_t);                         \
        va_end(more);                                          \
    }

int open(const char *name, int flags, ...) { RIGHTS(flags) return opened(AT_FDCWD, name, flags, rights); }
int open64(const char *name, int flags, ...) { RIGHTS(flags) return opened(AT_FDCWD, name, flags | O_LARGEFILE, rights); }
int openat(int folder, const char *name, int flags, ...) { RIGHTS(flags) return opened(folder, name, flags, rights); }
int openat64(int folder, const char *name, int flags, ...) {
    RIGHTS(flags) return opened(folder, name, flags | O_LARGEFILE, rights);
}

/* A file is closed also when that fails, as Linux does it. */
int close(int descriptor) {
    char path[PATH_MAX];
    int watched = mode != OFF && writable(descriptor) && of_descriptor(descriptor, path);
    int action = watched ? due("close", path, ROOMLESS) : COUNT;
    int result = (int)syscall(SYS_close, descriptor);
    return fails(action) ? -1 : (int)after(action, result);
}

int ftruncate(int descriptor, off_t size) {
    char path[PATH_MAX];
    int action = mode != OFF && of_descriptor(descriptor, path) ? due("ftruncate", path, ROOMLESS) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(SYS_ftruncate, descriptor, size));
}

int ftruncate64(int descriptor, off_t size) { return ftruncate(descriptor, size); }

int truncate(const char *name, off_t size) {
    char path[PATH_MAX];
    int action = mode != OFF && of_name(AT_FDCWD, name, path) ? due("truncate", path, ROOMLESS) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(SYS_truncate, name, size));
}

int truncate64(const char *name, off_t size) { return truncate(name, size); }

static int made(int folder, const char *name, mode_t rights) {
    char path[PATH_MAX];
    int action = mode != OFF && of_name(folder, name, path) ? due("mkdir", path, ROOM) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(SYS_mkdirat, folder, name, rights));
}

int mkdir(const char *name, mode_t rights) { return made(AT_FDCWD, name, rights); }
int mkdirat(int folder, const char *name, mode_t rights) { return made(folder, name, rights); }

static int removed(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    int action = mode != OFF && of_name(folder, name, path) ? due("unlink", path, ROOMLESS) : COUNT;
    if (fails(action)) return -1;
    return (int)after(action, syscall(SYS_unlinkat, folder, name, flags));
}

int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return removed(folder, name, flags); }
int rmdir(const char *name) { return removed(AT_FDCWD, name, AT_REMOVEDIR); }
