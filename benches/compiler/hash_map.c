/* A hash map from uint64_t to uint64_t with linear probing: the peer of hash_map.py. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BITS = 10, CAPACITY = 1 << BITS, MASK = CAPACITY - 1 };

struct slot {
    uint64_t key;
    uint64_t value;
    bool used;
};

struct map {
    uint64_t size;
    struct slot slots[CAPACITY];
};

struct work {
    uint64_t fingerprint;
    uint64_t inserted;
    uint64_t deleted;
    uint64_t found;
    uint64_t length;
    uint64_t keys[768];
    struct map map;
};

static inline size_t home(uint64_t key)
{
    return key * 0x9e3779b97f4a7c15u >> (64 - BITS);
}

static size_t find(const struct map *map, uint64_t key)
{
    size_t index = home(key);
    while (map->slots[index].used && map->slots[index].key != key)
        index = (index + 1) & MASK;
    return index;
}

static bool insert(struct map *map, uint64_t key, uint64_t value)
{
    struct slot *slot = &map->slots[find(map, key)];
    if (!slot->used) {
        if (map->size == CAPACITY - 1)
            return false;
        slot->key = key;
        slot->used = true;
        map->size++;
    }
    slot->value = value;
    return true;
}

static const uint64_t *get(const struct map *map, uint64_t key)
{
    const struct slot *slot = &map->slots[find(map, key)];
    return slot->used ? &slot->value : NULL;
}

static bool delete(struct map *map, uint64_t key)
{
    size_t free = find(map, key);
    if (!map->slots[free].used)
        return false;
    for (size_t index = free;;) {
        index = (index + 1) & MASK;
        const struct slot *slot = &map->slots[index];
        if (!slot->used)
            break;
        if (((index - home(slot->key)) & MASK) >= ((index - free) & MASK)) {
            map->slots[free].key = slot->key;
            map->slots[free].value = slot->value;
            free = index;
        }
    }
    map->slots[free].used = false;
    map->size--;
    return true;
}

void c_run(struct work *work)
{
    struct map *map = &work->map;
    size_t length = work->length;
    for (size_t i = 0; i < length; i++) {
        if (insert(map, work->keys[i], ~work->keys[i]))
            work->inserted++;
    }
    for (size_t i = 0; i < length; i += 3) {
        if (delete(map, work->keys[i]))
            work->deleted++;
    }
    for (size_t i = 0; i < length; i++) {
        const uint64_t *value = get(map, work->keys[i]);
        if (value != NULL) {
            work->found++;
            work->fingerprint = work->fingerprint * 31 + *value;
        }
    }
}
