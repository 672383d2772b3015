/* The first process of the Linux that `nk bench network` runs as our peer: a site of one page of 1,024 bytes, and bytes to
   take and to give, as `web.py` and `bulk.py` have them. One process, epoll, one read and one write for a request,
   TCP_NODELAY: as cheap as a program of Linux is without leaving bytes to the kernel (sendfile) or calls (io_uring).

   Before that it loads the modules /1.ko, /2.ko, … and gives eth0 its address, 10.0.2.15/24. */

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
#define TAKES 81
#define GIVES 82
#define MOST 256
#define BODY 1024
#define PIECE 65536

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n";

struct connection {
    int port, listens, filled;
    uint64_t count;
    char head[2048];
};

static struct connection all[MOST];
static char answer[sizeof HEAD - 1 + BODY];
static char piece[PIECE];
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
    memset(&all[file], 0, sizeof all[file]);
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
    if (write(file, answer, sizeof answer) != sizeof answer || last)
        close(file);
}

static void takes(int file, struct connection *it) {
    unsigned char number[8];
    ssize_t count;
    while ((count = read(file, piece, PIECE)) > 0)
        it->count += count;
    if (count < 0 && errno == EAGAIN)
        return;
    for (int place = 0; place < 8; place++)
        number[place] = it->count >> 8 * place;
    if (count == 0 && write(file, number, 8) != 8)
        printf("linux: a peer has gone\n");
    close(file);
}

static void gives(int file, struct connection *it) {
    if (it->filled < 8) {
        ssize_t count = read(file, it->head + it->filled, 8 - it->filled);
        if (count <= 0) {
            if (count == 0 || errno != EAGAIN)
                close(file);
            return;
        }
        it->filled += count;
        if (it->filled < 8)
            return;
        for (int place = 0; place < 8; place++)
            it->count |= (uint64_t)(unsigned char)it->head[place] << 8 * place;
        struct epoll_event event = {.events = EPOLLOUT, .data.fd = file};
        epoll_ctl(events, EPOLL_CTL_MOD, file, &event);
    }
    while (it->count) {
        ssize_t count = write(file, piece, it->count < PIECE ? it->count : PIECE);
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0)
            break;
        it->count -= count;
    }
    close(file);
}

int main(void) {
    struct epoll_event found[64];
    signal(SIGPIPE, SIG_IGN);
    memcpy(answer, HEAD, sizeof HEAD - 1);
    memset(answer + sizeof HEAD - 1, 'a', BODY);
    load_modules();
    set_address();
    events = epoll_create1(0);
    listen_at(WEB);
    listen_at(TAKES);
    listen_at(GIVES);
    for (;;) {
        int count = epoll_wait(events, found, 64, -1);
        for (int index = 0; index < count; index++) {
            int file = found[index].data.fd;
            struct connection *it = &all[file];
            if (it->listens)
                take_all(file, it->port);
            else if (it->port == WEB)
                web(file, it);
            else if (it->port == TAKES)
                takes(file, it);
            else
                gives(file, it);
        }
    }
}
