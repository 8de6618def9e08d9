/* Preloaded into a node: syncing a file to disk fails as long as the file FAIL_SYNC_WHILE is there. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sync_unless_failing(long call, int fd) {
    const char *trigger = getenv("FAIL_SYNC_WHILE");
    if (trigger != NULL && access(trigger, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fsync(int fd) { return sync_unless_failing(SYS_fsync, fd); }

int fdatasync(int fd) { return sync_unless_failing(SYS_fdatasync, fd); }
