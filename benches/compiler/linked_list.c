/* An intrusive doubly linked list over an array of nodes: the peer of linked_list.py. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node {
    struct node *next;
    struct node *previous;
    uint64_t value;
    bool linked;
};

struct list {
    struct node *head;
    struct node *tail;
    uint64_t size;
};

struct work {
    uint64_t fingerprint;
    uint64_t size;
    uint64_t length;
    uint16_t subjects[1024];
    uint16_t anchors[1024];
    struct list list;
    struct node nodes[256];
};

static void append(struct list *list, struct node *node)
{
    struct node *last = list->tail;
    node->previous = last;
    node->next = NULL;
    if (last == NULL)
        list->head = node;
    else
        last->next = node;
    list->tail = node;
    node->linked = true;
    list->size++;
}

static void insert_before(struct list *list, struct node *successor, struct node *node)
{
    struct node *previous = successor->previous;
    node->previous = previous;
    node->next = successor;
    if (previous == NULL)
        list->head = node;
    else
        previous->next = node;
    successor->previous = node;
    node->linked = true;
    list->size++;
}

static void remove_node(struct list *list, struct node *node)
{
    struct node *previous = node->previous, *following = node->next;
    if (previous == NULL)
        list->head = following;
    else
        previous->next = following;
    if (following == NULL)
        list->tail = previous;
    else
        following->previous = previous;
    node->linked = false;
    list->size--;
}

static uint64_t fingerprint(const struct list *list)
{
    uint64_t total = 0;
    for (const struct node *node = list->head; node != NULL; node = node->next)
        total = total * 31 + node->value;
    return total;
}

static uint64_t shuffle(struct node *nodes, struct list *list, const uint16_t *subjects, const uint16_t *anchors,
                        size_t length)
{
    uint64_t total = 0;
    for (size_t step = 0; step < length; step++) {
        struct node *node = &nodes[subjects[step]];
        if (node->linked) {
            remove_node(list, node);
        } else {
            struct node *successor = &nodes[anchors[step]];
            if (successor->linked)
                insert_before(list, successor, node);
            else
                append(list, node);
        }
        if (step % 64 == 63)
            total = total * 3 + fingerprint(list);
    }
    return total;
}

void c_run(struct work *work)
{
    for (size_t i = 0; i < 256; i++)
        work->nodes[i].value = i + 1;
    work->fingerprint = shuffle(work->nodes, &work->list, work->subjects, work->anchors, work->length);
    work->size = work->list.size;
}
