/* Preloaded into a node: syncing a file to disk fails as long as the file FAIL_SYNC_WHILE is there, and does not return
   as long as the file HANG_SYNC_WHILE is. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_there(const char *variable) {
    const char *trigger = getenv(variable);
    return trigger != NULL && access(trigger, F_OK) == 0;
}

static int sync_unless_failing(long call, int fd) {
    while (is_there("HANG_SYNC_WHILE")) {
        usleep(10000);
    }
    if (is_there("FAIL_SYNC_WHILE")) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fsync(int fd) { return sync_unless_failing(SYS_fsync, fd); }

int fdatasync(int fd) { return sync_unless_failing(SYS_fdatasync, fd); }
