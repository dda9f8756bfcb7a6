/* A disk that can be watched and made to fail, for one process: preload this library.
 *
 * Files under the folder in LIFECYCLE_SHIM_FOLDER are watched. Every call that changes one
 * of them is written to the trace in LIFECYCLE_SHIM_TRACE, if that is set, in the order in
 * which the calls returned. `lifecycle_shim_arm` makes the k-th call of some kinds fail.
 *
 * One lock is held throughout each call, so that the trace tells no order that was not.
 */
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPEN = 1, READ = 2, WRITE = 4, SYNC = 8, TRUNCATE = 16, UNLINK = 32, STAT = 64, MAP = 128,
    FOLDER_SYNC = 256
};

#define MOST_FILES 4096

enum { OF_FILE = 1, OF_FOLDER = 2 };

struct entry { /* what the trace holds before the name and the bytes */
    char what; /* c created, w write, s sync, x failed sync, t truncate, u unlink, r rename, d folder sync, m mark */
    char unused[3];
    uint32_t name_length;
    uint64_t inode, offset, length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_length;
static int trace = -1;
static struct { char watched; ino_t inode; char name[NAME_MAX + 1]; } files[MOST_FILES];

static int armed_kinds, armed_errno, armed_sticky;
static int armed_torn; /* half of what the failing call should write is written */
static long armed_at, calls, fired;

#define REAL(name, type, ...)                                                   \
    static type (*real)(__VA_ARGS__);                                           \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static void *start_of_real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void)
{
    const char *watched = getenv("LIFECYCLE_SHIM_FOLDER");
    const char *path = getenv("LIFECYCLE_SHIM_TRACE");
    int (*open_file)(const char *, int, ...) = (int (*)(const char *, int, ...))start_of_real("open64");
    if (watched && realpath(watched, folder)) folder_length = strlen(folder);
    if (path) trace = open_file(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The name within the folder, "" for the folder itself, NULL for anything else. */
static const char *watched_name(const char *path)
{
    if (!folder_length || strncmp(path, folder, folder_length)) return NULL;
    if (path[folder_length] == '\0') return "";
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static int is_watched(int fd) { return fd >= 0 && fd < MOST_FILES && files[fd].watched; }

static void put(const void *bytes, size_t length)
{
    REAL("write", ssize_t, int, const void *, size_t);
    while (length) {
        ssize_t written = real(trace, bytes, length);
        if (written <= 0) abort();
        bytes = (const char *)bytes + written;
        length -= (size_t)written;
    }
}

static void tell(char what, ino_t inode, const char *name, uint64_t offset, const void *bytes, uint64_t length)
{
    if (trace < 0) return;
    int kept = errno;
    struct entry entry = {what, {0}, (uint32_t)strlen(name), inode, offset, length};
    put(&entry, sizeof entry);
    put(name, entry.name_length);
    if (bytes) put(bytes, length);
    errno = kept;
}

/* Whether this call is to fail; errno is set then. */
static int fails(int kind)
{
    if (!(armed_kinds & kind)) return 0;
    calls++;
    if (armed_at == 0 || calls < armed_at || (calls > armed_at && !armed_sticky)) return 0;
    fired++;
    errno = armed_errno;
    return 1;
}

void lifecycle_shim_arm(int kinds, long at, int error, int sticky, int torn)
{
    pthread_mutex_lock(&lock);
    armed_kinds = kinds;
    armed_at = at;
    armed_errno = error;
    armed_sticky = sticky;
    armed_torn = torn;
    calls = fired = 0;
    pthread_mutex_unlock(&lock);
}

long lifecycle_shim_calls(void) { return calls; }
long lifecycle_shim_fired(void) { return fired; }

void lifecycle_shim_mark(const char *text)
{
    pthread_mutex_lock(&lock);
    tell('m', 0, "", 0, text, strlen(text));
    pthread_mutex_unlock(&lock);
}

static int opened(int fd, const char *name, int made)
{
    struct stat64 status;
    int (*stat_file)(int, struct stat64 *) = (int (*)(int, struct stat64 *))start_of_real("fstat64");
    if (fd < 0 || fd >= MOST_FILES || stat_file(fd, &status)) return fd;
    files[fd].watched = S_ISDIR(status.st_mode) ? OF_FOLDER : OF_FILE;
    files[fd].inode = status.st_ino;
    strncpy(files[fd].name, name, NAME_MAX);
    if (made) tell('c', status.st_ino, name, 0, NULL, 0);
    return fd;
}

static int open_watched(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    const char *name = watched_name(path);
    if (!name) return real(path, flags, mode);
    pthread_mutex_lock(&lock);
    int fd = -1;
    if (!fails(OPEN)) {
        int made = (flags & O_CREAT) && access(path, F_OK);
        fd = real(path, flags, mode);
        if (fd >= 0) opened(fd, name, made);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list rest)
{
    return flags & O_CREAT ? va_arg(rest, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
    REAL("open64", int, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_watched(real, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    REAL("open", int, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_watched(real, path, flags, mode);
}

int close(int fd)
{
    REAL("close", int, int);
    pthread_mutex_lock(&lock);
    if (is_watched(fd)) files[fd].watched = 0;
    int result = real(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

static void tell_write(int fd, const void *bytes, ssize_t written, off64_t offset)
{
    if (written > 0)
        tell('w', files[fd].inode, files[fd].name, (uint64_t)offset, bytes, (uint64_t)written);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    REAL("pwrite64", ssize_t, int, const void *, size_t, off64_t);
    if (!is_watched(fd)) return real(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    if (!fails(WRITE)) {
        written = real(fd, bytes, length, offset);
        tell_write(fd, bytes, written, offset);
    } else if (armed_torn && length > 1) {
        tell_write(fd, bytes, real(fd, bytes, length / 2, offset), offset);
        errno = armed_errno;
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL("write", ssize_t, int, const void *, size_t);
    if (!is_watched(fd)) return real(fd, bytes, length);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    if (!fails(WRITE)) {
        off64_t offset = lseek64(fd, 0, SEEK_CUR);
        written = real(fd, bytes, length);
        tell_write(fd, bytes, written, offset);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset)
{
    REAL("pread64", ssize_t, int, void *, size_t, off64_t);
    if (!is_watched(fd)) return real(fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    ssize_t got = fails(READ) ? -1 : real(fd, bytes, length, offset);
    pthread_mutex_unlock(&lock);
    return got;
}

static int synced(int (*real)(int), int fd)
{
    if (!is_watched(fd)) return real(fd);
    pthread_mutex_lock(&lock);
    int of_folder = files[fd].watched == OF_FOLDER;
    int result = fails(of_folder ? FOLDER_SYNC : SYNC) ? -1 : real(fd);
    char what = result ? 'x' : of_folder ? 'd' : 's';
    if (!result || !of_folder) tell(what, files[fd].inode, files[fd].name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd)
{
    REAL("fsync", int, int);
    return synced(real, fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int, int);
    return synced(real, fd);
}

int ftruncate64(int fd, off64_t length)
{
    REAL("ftruncate64", int, int, off64_t);
    if (!is_watched(fd)) return real(fd, length);
    pthread_mutex_lock(&lock);
    int result = fails(TRUNCATE) ? -1 : real(fd, length);
    if (!result) tell('t', files[fd].inode, files[fd].name, (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path)
{
    REAL("unlink", int, const char *);
    const char *name = watched_name(path);
    if (!name) return real(path);
    pthread_mutex_lock(&lock);
    int result = fails(UNLINK) ? -1 : real(path);
    if (!result) tell('u', 0, name, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to)
{
    REAL("rename", int, const char *, const char *);
    const char *name = watched_name(from), *target = watched_name(to);
    if (!name || !target) return real(from, to);
    pthread_mutex_lock(&lock);
    int result = fails(UNLINK) ? -1 : real(from, to);
    if (!result) tell('r', 0, name, 0, target, strlen(target));
    pthread_mutex_unlock(&lock);
    return result;
}

int fstat64(int fd, struct stat64 *status)
{
    REAL("fstat64", int, int, struct stat64 *);
    if (!is_watched(fd)) return real(fd, status);
    pthread_mutex_lock(&lock);
    int result = fails(STAT) ? -1 : real(fd, status);
    pthread_mutex_unlock(&lock);
    return result;
}

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset)
{
    REAL("mmap64", void *, void *, size_t, int, int, int, off64_t);
    if (!is_watched(fd)) return real(address, length, protection, flags, fd, offset);
    pthread_mutex_lock(&lock);
    void *mapped = fails(MAP) ? MAP_FAILED : real(address, length, protection, flags, fd, offset);
    pthread_mutex_unlock(&lock);
    return mapped;
}
