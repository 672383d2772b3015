/* The first process of the Linux that `nk bench network` runs as our peer: a site of one page of 1,024 bytes, and bytes to
   take and to give, as `web.py` and `bulk.py` have them. */

#include "../support/guest.h"

#define TAKES 81
#define GIVES 82
#define PIECE 65536

static char piece[PIECE];

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
    begin();
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
