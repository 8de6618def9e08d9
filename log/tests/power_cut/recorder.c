/* Preloaded into a program: writes down, in order, whatever it does to the files in the folder RECORD_FOLDER, in the file
 * RECORD_TO. One call is done after the other, so that what stands before a sync in the recording was written before it.
 *
 * A record, in the machine's byte order: operation (1) ‖ inode (8) ‖ offset or length (8) ‖ bytes that follow (4) ‖ bytes
 */
#define _GNU_SOURCE
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
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FOLDER, RENAME, UNLINK, LINK, MAKE_FOLDER };

#define FILES 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
/* Which descriptors are of files in the recorded folder, and the names of those that are of folders. */
static unsigned char is_recorded[FILES];
static char *folder[FILES];

/* The path within the recorded folder; NULL when it is elsewhere. */
static const char *inside(const char *path) {
    const char *folder = getenv("RECORD_FOLDER");
    size_t length = folder == NULL ? 0 : strlen(folder);
    if (length == 0 || strncmp(path, folder, length) != 0) return NULL;
    if (path[length] == 0) return "";
    return path[length] == '/' ? path + length + 1 : NULL;
}

static void record(uint8_t operation, uint64_t inode, uint64_t offset, const void *bytes, size_t length) {
    uint8_t head[21];
    uint32_t length32 = (uint32_t)length;
    if (out < 0) {
        const char *to = getenv("RECORD_TO");
        out = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (out < 0) abort();
    }
    head[0] = operation;
    memcpy(head + 1, &inode, 8);
    memcpy(head + 9, &offset, 8);
    memcpy(head + 17, &length32, 4);
    if (syscall(SYS_write, out, head, sizeof head) != (long)sizeof head) abort();
    if (length > 0 && syscall(SYS_write, out, bytes, length) != (long)length) abort();
}

static void record_names(uint8_t operation, const char *from, const char *to) {
    char names[2 * PATH_MAX];
    size_t first = strlen(from), second = strlen(to);
    if (first + second + 1 > sizeof names) abort();
    memcpy(names, from, first + 1);
    memcpy(names + first + 1, to, second);
    record(operation, 0, 0, names, first + 1 + second);
}

static uint64_t inode_of(int fd) {
    struct stat found;
    if (fstat(fd, &found) != 0) abort();
    return (uint64_t)found.st_ino;
}

static int recorded(int fd) { return fd >= 0 && fd < FILES && is_recorded[fd]; }

static int do_open(int at, const char *path, int flags, mode_t mode) {
    const char *name = at == AT_FDCWD || path[0] == '/' ? inside(path) : NULL;
    struct stat found;
    int fd, was_there;
    if (name == NULL) return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&lock);
    was_there = stat(path, &found) == 0;
    fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= FILES) abort();
    if (fd >= 0) {
        is_recorded[fd] = 1;
        if (fstat(fd, &found) != 0) abort();
        if (S_ISDIR(found.st_mode)) folder[fd] = strdup(name);
        else if (!was_there) record(CREATE, found.st_ino, 0, name, strlen(name));
        else if (flags & O_TRUNC) record(TRUNCATE, found.st_ino, 0, NULL, 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list list) {
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(list, int) : 0;
}

#define OPEN(name)                                           \
    int name(const char *path, int flags, ...) {             \
        va_list list;                                        \
        va_start(list, flags);                               \
        mode_t mode = mode_of(flags, list);                  \
        va_end(list);                                        \
        return do_open(AT_FDCWD, path, flags, mode);         \
    }
#define OPENAT(name)                                         \
    int name(int at, const char *path, int flags, ...) {     \
        va_list list;                                        \
        va_start(list, flags);                               \
        mode_t mode = mode_of(flags, list);                  \
        va_end(list);                                        \
        return do_open(at, path, flags, mode);               \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    int result;
    pthread_mutex_lock(&lock);
    if (recorded(fd)) {
        is_recorded[fd] = 0;
        free(folder[fd]);
        folder[fd] = NULL;
    }
    result = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    ssize_t written;
    if (!recorded(fd)) return syscall(SYS_write, fd, bytes, length);
    pthread_mutex_lock(&lock);
    written = syscall(SYS_write, fd, bytes, length);
    if (written > 0) {
        off_t end = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        record(WRITE, inode_of(fd), (uint64_t)(end - written), bytes, (size_t)written);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

static ssize_t do_pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    ssize_t written;
    if (!recorded(fd)) return syscall(SYS_pwrite64, fd, bytes, length, offset);
    pthread_mutex_lock(&lock);
    written = syscall(SYS_pwrite64, fd, bytes, length, offset);
    if (written > 0) record(WRITE, inode_of(fd), (uint64_t)offset, bytes, (size_t)written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return do_pwrite(fd, bytes, length, offset); }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    return do_pwrite(fd, bytes, length, (off_t)offset);
}

/* Nobody writes so: if somebody begins to, the recording would not be whole. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (recorded(fd)) abort();
    return syscall(SYS_writev, fd, parts, count);
}

static int do_truncate(int fd, off_t length) {
    int result;
    if (!recorded(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0) record(TRUNCATE, inode_of(fd), (uint64_t)length, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return do_truncate(fd, length); }

int ftruncate64(int fd, off64_t length) { return do_truncate(fd, (off_t)length); }

static int do_sync(long call, int fd) {
    int result;
    if (!recorded(fd)) return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    result = (int)syscall(call, fd);
    if (result == 0 && folder[fd] != NULL) record(SYNC_FOLDER, 0, 0, folder[fd], strlen(folder[fd]));
    else if (result == 0) record(SYNC, inode_of(fd), 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return do_sync(SYS_fsync, fd); }

int fdatasync(int fd) { return do_sync(SYS_fdatasync, fd); }

int rename(const char *from, const char *to) {
    const char *name = inside(from), *other = inside(to);
    int result;
    if (name == NULL || other == NULL) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result == 0) record_names(RENAME, name, other);
    pthread_mutex_unlock(&lock);
    return result;
}

int link(const char *from, const char *to) {
    const char *name = inside(from), *other = inside(to);
    int result;
    if (name == NULL || other == NULL) return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result == 0) record_names(LINK, name, other);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    const char *name = inside(path);
    int result;
    if (name == NULL) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (result == 0) record(UNLINK, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    const char *name = inside(path);
    int result;
    if (name == NULL) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (result == 0) record(MAKE_FOLDER, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&lock);
    return result;
}
