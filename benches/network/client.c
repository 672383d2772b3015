/* The client of `nk bench network`, on the host: asks a site, and moves bytes; its machine counts.

     client keep  PORT SITE CONNECTIONS REQUESTS     requests on connections that are kept, one at a time on each;
                                                     their beginning doesn't count
     client each  PORT SITE CONNECTIONS REQUESTS     a connection for each, so many at a time
     client in    PORT SITE 1 BYTES                  bytes to the machine, until it says that all have come
     client out   PORT SITE 1 BYTES                  bytes from it
     client alive PORT SITE 1 1                      asks once, on a connection of its own

   A sixth word names a file with the request to be sent, as it is; answers then have to be as long as the first one.
   PORT is where the work is, SITE where /instructions is: how many the machine has executed so far. (0: nobody counts.)
   Says on one line: instructions, microseconds, requests or bytes; instructions of nothing, which are in the first.
   Whatever isn't as it should be ends it with status 1, and says so. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 256
#define BODY 1024
/* seconds for which nothing may happen */
#define PATIENCE 30

static const char KEPT[] =
    "GET /kilobyte HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n\r\n";
static const char LAST[] = "GET /kilobyte HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n"
                           "Connection: close\r\n\r\n";

struct connection {
    int file;
    int heads;             /* where in the end of a head the answer is: of 4 bytes */
    int inside, length;    /* of the body: bytes that have come; what its head says */
    char line[64];
    int filled;
    int asked;
};

static char memory[1 << 18];
/* what is asked on connections that are kept, and how long answers are; 0: nobody knows yet */
static const char *asked_for = KEPT;
static size_t asked_length = sizeof KEPT - 1;
static int expected = BODY;

static void fail(const char *text, ...) {
    va_list arguments;
    va_start(arguments, text);
    vfprintf(stderr, text, arguments);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int opened(int port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = PATIENCE};
    int one = 1, file = socket(AF_INET, SOCK_STREAM, 0);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (file < 0 || connect(file, (struct sockaddr *)&place, sizeof place) != 0)
        fail("connect: %s", strerror(errno));
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return file;
}

static void put(int file, const char *data, size_t length) {
    for (size_t done = 0; done < length;) {
        ssize_t count = write(file, data + done, length - done);
        if (count <= 0)
            fail("write: %s", strerror(errno));
        done += count;
    }
}

/* Bytes of an answer; true: it is complete, and they end there. */
static int take(struct connection *it, const char *data, int count) {
    for (int place = 0; place < count;) {
        if (it->heads == 4) {
            int part = count - place;
            it->inside += part;
            place += part;
            if (it->inside > it->length)
                fail("more came than was asked for");
            continue;
        }
        char byte = data[place++];
        it->heads = byte == "\r\n\r\n"[it->heads] ? it->heads + 1 : byte == '\r';
        if (byte == '\n') {
            it->line[it->filled] = 0;
            if (strncmp(it->line, "HTTP/", 5) == 0 && strncmp(it->line + 8, " 200", 4) != 0)
                fail("answered: %s", it->line);
            if (strncasecmp(it->line, "content-length:", 15) == 0)
                it->length = atoi(it->line + 15);
            it->filled = 0;
        } else if (it->filled < (int)sizeof it->line - 1) {
            it->line[it->filled++] = byte;
        }
    }
    return it->heads == 4 && it->inside == it->length;
}

static void again(struct connection *it) {
    it->heads = it->inside = it->length = it->filled = 0;
}

static uint64_t instructions(int file) {
    static const char asked[] = "GET /instructions HTTP/1.1\r\nHost: x\r\n\r\n";
    char *end;
    struct connection it = {.file = file};
    int filled = 0;
    if (file < 0)
        return 0;
    put(file, asked, sizeof asked - 1);
    for (int done = 0; !done;) {
        ssize_t count = read(file, memory + filled, 4096 - filled - 1);
        if (count <= 0)
            fail("the machine doesn't say how many instructions it has executed");
        done = take(&it, memory + filled, count);
        filled += count;
    }
    memory[filled] = 0;
    end = strstr(memory, "\r\n\r\n");
    return strtoull(end + 4, NULL, 10);
}

static struct connection all[MOST];
static struct pollfd files[MOST];

/* So many requests on the connections from `first` up to `end`, one at a time on each. */
static void ask(int port, int first, int end, int requests, int kept) {
    int asked = 0, done = 0;
    while (done < requests) {
        for (int index = first; index < end; index++) {
            struct connection *it = &all[index];
            if (it->asked || asked == requests)
                continue;
            if (it->file < 0)
                it->file = opened(port);
            files[index].fd = it->file;
            files[index].events = POLLIN;
            put(it->file, kept ? asked_for : LAST, kept ? asked_length : sizeof LAST - 1);
            again(it);
            it->asked = 1;
            asked++;
        }
        if (poll(files + first, end - first, PATIENCE * 1000) <= 0)
            fail("nothing comes: %d of %d requests were answered", done, requests);
        for (int index = first; index < end; index++) {
            struct connection *it = &all[index];
            if (!it->asked || !files[index].revents)
                continue;
            ssize_t count = read(it->file, memory, 8192);
            if (count < 0 || (count == 0 && !(it->heads == 4 && it->inside == it->length)))
                fail("a connection ends: %d of %d requests were answered", done, requests);
            int whole = take(it, memory, count);
            if (whole && expected == 0)
                expected = it->length;
            if (whole && it->length != expected)
                fail("an answer has %d bytes", it->length);
            if (kept ? !whole : count != 0)
                continue;
            if (!kept) {
                close(it->file);
                it->file = files[index].fd = -1;
            }
            it->asked = 0;
            done++;
        }
    }
}

/* QEMU has room for one connection that isn't taken yet; so they begin one after the other, each with a request. */
static void open_all(int port, int connections) {
    for (int index = 0; index < connections; index++)
        ask(port, index, index + 1, 1, 1);
}

static void read_request(const char *path) {
    static char request[1 << 16];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail("%s: %s", path, strerror(errno));
    asked_length = fread(request, 1, sizeof request, file);
    fclose(file);
    asked_for = request;
    expected = 0;
}

static void move(int port, uint64_t bytes, int inwards) {
    unsigned char number[8];
    uint64_t came = 0;
    int file = opened(port);
    if (inwards) {
        for (uint64_t left = bytes; left;) {
            size_t part = left < sizeof memory ? left : sizeof memory;
            put(file, memory, part);
            left -= part;
        }
        shutdown(file, SHUT_WR);
        if (recv(file, number, 8, MSG_WAITALL) != 8)
            fail("nobody says how many bytes came");
        for (int place = 7; place >= 0; place--)
            came = came << 8 | number[place];
    } else {
        for (int place = 0; place < 8; place++)
            number[place] = bytes >> 8 * place;
        put(file, (char *)number, 8);
        for (ssize_t count = 1; count > 0; came += count)
            if ((count = read(file, memory, sizeof memory)) < 0)
                fail("read: %s", strerror(errno));
    }
    if (came != bytes)
        fail("%llu bytes came, of %llu", (unsigned long long)came, (unsigned long long)bytes);
    close(file);
}

int main(int count, char **words) {
    if (count != 6 && count != 7)
        fail("client keep|each|in|out|alive PORT SITE CONNECTIONS COUNT [FILE]");
    if (count == 7)
        read_request(words[6]);
    const char *what = words[1];
    int port = atoi(words[2]), site = atoi(words[3]), connections = atoi(words[4]);
    uint64_t number = strtoull(words[5], NULL, 10);
    signal(SIGPIPE, SIG_IGN);
    if (connections < 1 || connections > MOST)
        fail("1 to %d connections", MOST);
    for (int index = 0; index < MOST; index++)
        all[index].file = files[index].fd = -1;
    if (strcmp(what, "alive") == 0) {
        ask(port, 0, 1, 1, 0);
        puts("0 0 1 0");
        return 0;
    }
    int file = site ? opened(site) : -1;
    if (what[0] == 'k')
        open_all(port, connections);
    instructions(file);
    uint64_t first = instructions(file), second = instructions(file), begun = now();
    if (strcmp(what, "keep") == 0 || strcmp(what, "each") == 0)
        ask(port, 0, connections, number, what[0] == 'k');
    else
        move(port, number, what[0] == 'i');
    uint64_t ended = now(), third = instructions(file);
    printf("%llu %llu %llu %llu\n", (unsigned long long)(third - second), (unsigned long long)(ended - begun),
           (unsigned long long)number, (unsigned long long)(second - first));
    return 0;
}
