/* The first process of the Linux that `nk bench gateway` runs as our peer: the digits' network as plain C
   (`benches/models/digits.c`, in the writing that takes least without vectors) behind the same protocol.

   It is written for this one model, as somebody would who needs nothing else: the numbers of "data" are taken out of the
   body where it lies, without a look at what else JSON could say there; answers are printed into memory that is there.
   There is one process: what it computes is in its own memory, beside what it reads from the network. */

/* strcasestr */
#define _GNU_SOURCE

#define CHANNELS 4
#define WIDE 4

#include "../models/digits.c"
#include "../support/guest.h"
#include "weights.h"

#define INFER 81
#define IMAGE 64
#define SCORES 10

static struct memory arena;

static const char NAME[] = "{\"model_name\":\"digits\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"scores\","
                           "\"datatype\":\"FP32\",\"shape\":[1,10],\"data\":[";

/* The numbers behind "data", in lists or in one: true, if there are as many as an image has. */
static int read_image(const char *body, const char *end, float image[IMAGE]) {
    const char *place = strstr(body, "\"data\"");
    int count = 0, depth = 0;
    if (place == NULL)
        return 0;
    for (place += 6; place < end; place++) {
        if (*place == '[') {
            depth++;
        } else if (*place == ']') {
            if (--depth == 0)
                return count == IMAGE;
        } else if (*place == '-' || (*place >= '0' && *place <= '9')) {
            char *behind;
            if (count == IMAGE)
                return 0;
            image[count++] = strtof(place, &behind);
            place = behind - 1;
        } else if (*place != ',' && *place != ' ' && *place != ':' && *place != '\n' && *place != '\t' && *place != '\r') {
            return 0;
        }
    }
    return 0;
}

static void refuse(int file) {
    static const char no[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (write(file, no, sizeof no - 1) < 0)
        errno = 0;
    close(file);
}

static void answer(int file, const float scores[SCORES]) {
    char body[512], whole[768];
    int length = sizeof NAME - 1;
    memcpy(body, NAME, length);
    for (int index = 0; index < SCORES; index++)
        length += snprintf(body + length, sizeof body - length, index ? ",%.9g" : "%.9g", scores[index]);
    memcpy(body + length, "]}]}", 4);
    length += 4;
    int head = snprintf(whole, sizeof whole, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length);
    memcpy(whole + head, body, length);
    if (write(file, whole, head + length) != head + length)
        close(file);
}

/* A request is complete: one read, usually, and one write. */
static void serve(int file, struct connection *it) {
    ssize_t count = read(file, it->head + it->filled, sizeof it->head - 1 - it->filled);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN)
            close(file);
        return;
    }
    it->filled += count;
    it->head[it->filled] = 0;
    char *body = strstr(it->head, "\r\n\r\n"), *field = strcasestr(it->head, "\r\ncontent-length:");
    if (body != NULL && (field == NULL || field > body)) {
        refuse(file);
        return;
    }
    long length = body == NULL ? 0 : strtol(field + 17, NULL, 10);
    if (body == NULL || it->head + it->filled - (body + 4) < length) {
        if (it->filled == sizeof it->head - 1)
            refuse(file);
        return;
    }
    float image[IMAGE], scores[SCORES];
    const void *inputs[] = {image};
    void *outputs[] = {scores};
    it->filled = 0;
    if (memcmp(it->head, "POST /v2/models/digits/infer ", 29) != 0 || !read_image(body + 4, body + 4 + length, image)) {
        refuse(file);
        return;
    }
    infer(weights, &arena, inputs, outputs);
    answer(file, scores);
}

int main(void) {
    struct epoll_event found[64];
    begin();
    listen_at(INFER);
    for (;;) {
        int count = epoll_wait(events, found, 64, -1);
        for (int index = 0; index < count; index++) {
            int file = found[index].data.fd;
            struct connection *it = &all[file];
            if (it->listens)
                take_all(file, it->port);
            else if (it->port == WEB)
                web(file, it);
            else
                serve(file, it);
        }
    }
}
