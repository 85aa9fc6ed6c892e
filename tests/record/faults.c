/* A disk that fails on demand: a library to be loaded before all others (LD_PRELOAD).

   It counts the system calls that name a file below FAULTS_FOLDER, or use one that was opened
   there, and at call number `at` (from 1) it ends the process as kill -9 does, ends it after half
   of a write, or makes that call fail, and all that write after it if the disk stays full. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KILL = 1, TEAR = 2, FAIL = 3, STAY = 4 };
enum { FILES = 4096, NAMES = 8192, NAME = 16 };

static int at, kind, error, calls, broken;
static char ours[FILES];
static char names[NAMES][NAME];

/* Called by the test: the fault that is to come, and what there was. */
void faults_arm(int new_at, int new_kind, int new_error) {
    at = new_at, kind = new_kind, error = new_error, calls = broken = 0;
}
int faults_calls(void) { return calls; }
const char *faults_name(int call) { return names[call % NAMES]; }

static int named(const char *path) {
    const char *folder = getenv("FAULTS_FOLDER");
    return folder && path && !strncmp(path, folder, strlen(folder));
}

static int held(int file) { return file >= 0 && file < FILES && ours[file]; }

/* Counts a call; true where it is to fail. */
static int fault(const char *name) {
    strncpy(names[++calls % NAMES], name, NAME - 1);
    int writes = name[0] == 'n' || name[0] == 'w' || name[0] == 't' || name[0] == 's';
    if (calls != at) {
        errno = error;
        return broken && writes;
    }
    if (kind == KILL || (kind == TEAR && strcmp(name, "write")))
        kill(getpid(), SIGKILL);
    if (kind == STAY)
        broken = 1;
    errno = error;
    return kind == FAIL || kind == STAY;
}

static int tears(void) { return calls == at && kind == TEAR; }

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

static int opened(int file, int counted) {
    if (file >= 0 && file < FILES)
        ours[file] = counted;
    return file;
}

#define OPENS(open_, first, given)                                       \
    {                                                                    \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; \
        va_end(rest);                                                    \
        int counted = named(path);                                       \
        if (counted && fault(flags & O_CREAT ? "new" : "open"))       \
            return -1;                                                   \
        return opened(REAL(open_) given, counted);                       \
    }
int open(const char *path, int flags, ...) OPENS(open, path, (path, flags, mode))
int open64(const char *path, int flags, ...) OPENS(open64, path, (path, flags, mode))
int openat(int folder, const char *path, int flags, ...)
    OPENS(openat, folder, (folder, path, flags, mode))
int openat64(int folder, const char *path, int flags, ...)
    OPENS(openat64, folder, (folder, path, flags, mode))

int close(int file) {
    if (held(file)) {
        ours[file] = 0;
        fault("close"); /* a close that fails has closed all the same */
    }
    return REAL(close)(file);
}

#define WRITES(write_, given, half)        \
    {                                      \
        if (held(file)) {                  \
            if (fault("write"))            \
                return -1;                 \
            if (tears()) {                 \
                REAL(write_) half;         \
                kill(getpid(), SIGKILL);   \
            }                              \
        }                                  \
        return REAL(write_) given;         \
    }
ssize_t write(int file, const void *from, size_t size)
    WRITES(write, (file, from, size), (file, from, size / 2))
ssize_t pwrite(int file, const void *from, size_t size, off_t to)
    WRITES(pwrite, (file, from, size, to), (file, from, size / 2, to))
ssize_t pwrite64(int file, const void *from, size_t size, off64_t to)
    WRITES(pwrite64, (file, from, size, to), (file, from, size / 2, to))

#define FILES_CALL(type, call, name, arguments, given) \
    type call arguments {                              \
        if (held(file) && fault(name))                 \
            return (type)-1;                           \
        return REAL(call) given;                       \
    }
FILES_CALL(ssize_t, read, "read", (int file, void *to, size_t size), (file, to, size))
FILES_CALL(ssize_t, pread, "read", (int file, void *to, size_t size, off_t from),
           (file, to, size, from))
FILES_CALL(ssize_t, pread64, "read", (int file, void *to, size_t size, off64_t from),
           (file, to, size, from))
/* Only a process dies here, never the machine: no need to wait for a real disk. */
int fsync(int file) { return held(file) ? -!!fault("sync") : REAL(fsync)(file); }
int fdatasync(int file) { return held(file) ? -!!fault("sync") : REAL(fdatasync)(file); }
FILES_CALL(int, ftruncate, "truncate", (int file, off_t size), (file, size))
FILES_CALL(int, ftruncate64, "truncate", (int file, off64_t size), (file, size))
FILES_CALL(int, fstat, "look", (int file, struct stat *to), (file, to))
FILES_CALL(int, fstat64, "look", (int file, struct stat64 *to), (file, to))
FILES_CALL(int, flock, "lock", (int file, int operation), (file, operation))

int unlink(const char *path) { return named(path) && fault("unlink") ? -1 : REAL(unlink)(path); }

void *mmap(void *place, size_t size, int protection, int flags, int file, off_t from) {
    if (held(file) && fault("map"))
        return MAP_FAILED;
    return REAL(mmap)(place, size, protection, flags, file, from);
}
void *mmap64(void *place, size_t size, int protection, int flags, int file, off64_t from) {
    if (held(file) && fault("map"))
        return MAP_FAILED;
    return REAL(mmap64)(place, size, protection, flags, file, from);
}

static int controlled(int (*real)(int, int, ...), int file, int command, void *argument) {
    if (held(file) && (command == F_SETLK || command == F_GETLK) && fault("lock"))
        return -1;
    return real(file, command, argument);
}
#define CONTROLS(call)                                        \
    int call(int file, int command, ...) {                    \
        va_list rest;                                         \
        va_start(rest, command);                              \
        void *argument = va_arg(rest, void *);                \
        va_end(rest);                                         \
        return controlled(REAL(call), file, command, argument); \
    }
CONTROLS(fcntl)
CONTROLS(fcntl64)
