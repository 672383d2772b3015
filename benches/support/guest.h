/* What programs have in common that are the first process of a Linux beside ours, in `nk bench`: modules, the address, epoll;
   and a site of one page of 1,024 bytes, which says that the machine is up. One process, one read and one write for a
   request, TCP_NODELAY: as cheap as a program of Linux is without leaving bytes to the kernel (sendfile) or calls
   (io_uring).

   Modules are /1.ko, /2.ko, …; eth0's address is 10.0.2.15/24. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WEB 80
#define MOST 256
#define BODY 1024
#define MOST_HEAD 8192

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n";

struct connection {
    int port, listens, filled;
    uint64_t count;
    char head[MOST_HEAD];
};

static struct connection all[MOST];
static char page[sizeof HEAD - 1 + BODY];
static int events;

static void fail(const char *what) {
    printf("linux: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    reboot(RB_POWER_OFF);
    exit(1);
}

static void load_modules(void) {
    for (int number = 1;; number++) {
        char name[16];
        snprintf(name, sizeof name, "/%d.ko", number);
        int file = open(name, O_RDONLY);
        if (file < 0)
            return;
        if (syscall(SYS_finit_module, file, "", 0) != 0)
            fail(name);
        close(file);
    }
}

static void set_address(void) {
    struct ifreq request = {.ifr_name = "eth0"};
    struct sockaddr_in *place = (struct sockaddr_in *)&request.ifr_addr;
    int file = socket(AF_INET, SOCK_DGRAM, 0);
    place->sin_family = AF_INET;
    place->sin_addr.s_addr = inet_addr("10.0.2.15");
    if (file < 0 || ioctl(file, SIOCSIFADDR, &request) != 0)
        fail("eth0's address");
    place->sin_addr.s_addr = inet_addr("255.255.255.0");
    if (ioctl(file, SIOCSIFNETMASK, &request) != 0 || ioctl(file, SIOCGIFFLAGS, &request) != 0)
        fail("eth0's mask");
    request.ifr_flags |= IFF_UP;
    if (ioctl(file, SIOCSIFFLAGS, &request) != 0)
        fail("eth0 up");
    close(file);
}

static void watch(int file, int port, int listens, uint32_t wanted) {
    struct epoll_event event = {.events = wanted, .data.fd = file};
    if (file >= MOST)
        fail("too many connections");
    all[file].filled = 0;
    all[file].count = 0;
    all[file].port = port;
    all[file].listens = listens;
    if (epoll_ctl(events, EPOLL_CTL_ADD, file, &event) != 0)
        fail("epoll_ctl");
}

static void listen_at(int port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    int file = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (file < 0 || bind(file, (struct sockaddr *)&place, sizeof place) != 0 || listen(file, 128) != 0)
        fail("listen");
    watch(file, port, 1, EPOLLIN);
}

static void take_all(int listener, int port) {
    for (;;) {
        int one = 1, file = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (file < 0)
            return;
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(file, port, 0, EPOLLIN);
    }
}

/* A request is complete: one read, one write. */
static void web(int file, struct connection *it) {
    ssize_t count = read(file, it->head + it->filled, sizeof it->head - 1 - it->filled);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN)
            close(file);
        return;
    }
    it->filled += count;
    it->head[it->filled] = 0;
    if (it->filled < 4 || memcmp(it->head + it->filled - 4, "\r\n\r\n", 4) != 0) {
        if (it->filled == sizeof it->head - 1)
            close(file);
        return;
    }
    int last = strstr(it->head, "Connection: close") != NULL;
    it->filled = 0;
    if (write(file, page, sizeof page) != sizeof page || last)
        close(file);
}

static void begin(void) {
    signal(SIGPIPE, SIG_IGN);
    memcpy(page, HEAD, sizeof HEAD - 1);
    memset(page + sizeof HEAD - 1, 'a', BODY);
    load_modules();
    set_address();
    events = epoll_create1(0);
    listen_at(WEB);
}
