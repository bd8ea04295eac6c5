// Walks the folder it is told to, and prints every name with its kind, size and checksum.
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t files, folders;

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static uint32_t checksum(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) return 0;
    uint32_t h = 2166136261u;
    for (int c; (c = getc(f)) != EOF;) h = (h ^ (uint32_t)c) * 16777619u;
    fclose(f);
    return h;
}

static int walk(const char *path, const char *shown) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, by_name);
    if (count < 0) {
        fprintf(stderr, "walk: cannot read %s\n", path);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
        char inner[512], inner_shown[512];
        snprintf(inner, sizeof inner, "%s/%s", path, name);
        snprintf(inner_shown, sizeof inner_shown, "%s%s", shown, name);
        struct stat st;
        if (lstat(inner, &st)) return 3;
        if (S_ISDIR(st.st_mode)) {
            folders++;
            printf("%s/\n", inner_shown);
            strcat(inner_shown, "/");
            int result = walk(inner, inner_shown);
            if (result) return result;
        } else {
            files++;
            printf("%s %lld %08x\n", inner_shown, (long long)st.st_size, checksum(inner));
        }
        free(entries[i]);
    }
    free(entries);
    return 0;
}

int main(int argc, char **argv) {
    int result = walk(argc > 1 ? argv[1] : ".", "");
    if (!result) printf("%zu files in %zu folders\n", files, folders);
    return result;
}
