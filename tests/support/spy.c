/* Preloaded into a process and its children: writes down, one a line, every name that is looked up, every internet
   address that is spoken to, and every file or folder that is made or opened for writing. No name but localhost is
   found, so nothing gets out. The log is the file named by SPY_LOG. Raw system calls are not seen. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
#define MODE(flags, mode) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

static void note(const char *what, const char *which)
{
    const char *path = getenv("SPY_LOG");
    char line[8192];
    int length = snprintf(line, sizeof line, "%s %s\n", what, which);
    int file = path ? NEXT(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file < 0) return;
    if (length > 0 && write(file, line, (size_t)length < sizeof line ? (size_t)length : sizeof line) < 0) abort();
    close(file);
}

static void note_path(int folder, const char *path)
{
    char from[64], base[4096] = "", whole[8192];
    if (path[0] != '/') {
        snprintf(from, sizeof from, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t length = readlink(from, base, sizeof base - 2);
        if (length > 0) { base[length] = '/'; base[length + 1] = 0; }
    }
    snprintf(whole, sizeof whole, "%s%s", base, path);
    note("file", whole);
}

static void note_address(const struct sockaddr *to)
{
    char text[INET6_ADDRSTRLEN] = "", line[128];
    unsigned port = 0;
    if (!to || (to->sa_family != AF_INET && to->sa_family != AF_INET6)) return;
    if (to->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)to;
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        port = ntohs(v4->sin_port);
    } else {
        const struct sockaddr_in6 *v6 = (const void *)to;
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        port = ntohs(v6->sin6_port);
    }
    snprintf(line, sizeof line, "%s %u", text, port);
    note("address", line);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo figures = {0};
    if (!name || !strcmp(name, "localhost")) return NEXT(getaddrinfo)(name, service, hints, found);
    note("name", name);
    if (hints) figures = *hints;
    figures.ai_flags |= AI_NUMERICHOST;
    return NEXT(getaddrinfo)(name, service, &figures, found);
}

struct hostent *gethostbyname(const char *name)
{
    note("name", name);
    h_errno = HOST_NOT_FOUND;
    return NULL;
}

int connect(int fd, const struct sockaddr *to, socklen_t length)
{
    note_address(to);
    return NEXT(connect)(fd, to, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    note_address(to);
    return NEXT(sendto)(fd, data, size, flags, to, length);
}

#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))
#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        MODE(flags, mode) \
        if (WRITES(flags)) note_path(AT_FDCWD, path); \
        return NEXT(name)(path, flags, mode); \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        MODE(flags, mode) \
        if (WRITES(flags)) note_path(folder, path); \
        return NEXT(name)(folder, path, flags, mode); \
    }
#define FOPEN(name) \
    FILE *name(const char *path, const char *how) \
    { \
        if (strpbrk(how, "wa+")) note_path(AT_FDCWD, path); \
        return NEXT(name)(path, how); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
FOPEN(fopen)
FOPEN(fopen64)

int mkdir(const char *path, mode_t mode)
{
    note_path(AT_FDCWD, path);
    return NEXT(mkdir)(path, mode);
}
