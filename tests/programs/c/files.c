// Everything a program does with files, under the folder it is given: prints what it saw, never a host path.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *name_of(int error) {
    switch (error) {
    case EEXIST: return "EEXIST";
    case ENOENT: return "ENOENT";
    case ENOTDIR: return "ENOTDIR";
    case EISDIR: return "EISDIR";
    case ENOTEMPTY: return "ENOTEMPTY";
    case EBADF: return "EBADF";
    case EINVAL: return "EINVAL";
    case ELOOP: return "ELOOP";
    default: return "another error";
    }
}

static void say(const char *what, int result) {
    if (result < 0) printf("%s: %s\n", what, name_of(errno));
    else printf("%s: ok\n", what);
}

static void must(const char *what, int good) {
    if (good) return;
    fprintf(stderr, "files: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void write_text(const char *path, const char *mode, const char *text) {
    FILE *f = fopen(path, mode);
    must(path, f != NULL);
    must("fputs", fputs(text, f) >= 0);
    must("fclose", fclose(f) == 0);
}

static void show(const char *path) {
    char text[256] = {0};
    FILE *f = fopen(path, "r");
    must(path, f != NULL);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    printf("%s holds %zu bytes: '%s'\n", path, n, text);
}

static void copy(const char *from, const char *to) {
    char piece[100];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);
    must("open for copy", in >= 0 && out >= 0);
    ssize_t n;
    while ((n = read(in, piece, sizeof piece)) > 0) must("write", write(out, piece, (size_t)n) == n);
    close(in);
    close(out);
}

static void seeking(void) {
    int fd = open("a/seek", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must("open", fd >= 0);
    must("write", write(fd, "0123456789", 10) == 10);
    char got[4] = {0};
    printf("seek to %lld\n", (long long)lseek(fd, 4, SEEK_SET));
    must("read", read(fd, got, 3) == 3);
    printf("read '%s', now at %lld\n", got, (long long)lseek(fd, 0, SEEK_CUR));
    must("pread", pread(fd, got, 3, 1) == 3);
    printf("pread '%s', still at %lld\n", got, (long long)lseek(fd, 0, SEEK_CUR));
    must("pwrite", pwrite(fd, "xyz", 3, 12) == 3);
    printf("size %lld\n", (long long)lseek(fd, 0, SEEK_END));
    say("seek before the start", (int)lseek(fd, -1, SEEK_SET));
    say("ftruncate", ftruncate(fd, 5));
    struct stat st;
    must("fstat", fstat(fd, &st) == 0);
    printf("size %lld, regular %d\n", (long long)st.st_size, S_ISREG(st.st_mode));
    must("close", close(fd) == 0);
    say("read after close", (int)read(fd, got, 1));
    fd = open("a/seek", O_WRONLY | O_APPEND);
    lseek(fd, 0, SEEK_SET);
    must("append", write(fd, "+", 1) == 1);
    close(fd);
    show("a/seek");
}

static void links(void) {
    say("symlink", symlink("note", "a/pointer"));
    char target[32] = {0};
    printf("readlink %d", (int)readlink("a/pointer", target, sizeof target));
    printf(" '%s'\n", target);
    show("a/pointer");
    struct stat st;
    must("lstat", lstat("a/pointer", &st) == 0);
    printf("lstat: link %d, size %lld\n", S_ISLNK(st.st_mode), (long long)st.st_size);
    must("stat", stat("a/pointer", &st) == 0);
    printf("stat: link %d\n", S_ISLNK(st.st_mode));
    say("link", link("a/note", "a/second"));
    must("stat", stat("a/second", &st) == 0);
    printf("links %d\n", (int)st.st_nlink);
    say("symlink to nothing", symlink("nothing", "a/dangling"));
    say("open it", open("a/dangling", O_RDONLY));
    say("symlink to itself", symlink("loop", "a/loop"));
    say("open it", open("a/loop", O_RDONLY));
}

static void refusals(void) {
    say("mkdir again", mkdir("a", 0755));
    say("mkdir without parent", mkdir("x/y", 0755));
    say("open what is not there", open("a/none", O_RDONLY));
    say("open a folder to write", open("a", O_WRONLY));
    say("open below a file", open("a/note/x", O_RDONLY));
    say("exclusive over a file", open("a/note", O_WRONLY | O_CREAT | O_EXCL, 0644));
    say("O_DIRECTORY on a file", open("a/note", O_RDONLY | O_DIRECTORY));
    say("rmdir a full folder", rmdir("a"));
    say("rmdir a file", rmdir("a/note"));
    say("unlink nothing", unlink("a/none"));
    say("rename nothing", rename("a/none", "a/other"));
    int fd = open("a", O_RDONLY);
    char c;
    printf("read a folder: %s\n", read(fd, &c, 1) < 0 ? "refused" : "ok");
    close(fd);
}

static void renames(void) {
    write_text("a/from", "w", "moved");
    write_text("a/to", "w", "replaced");
    say("rename over a file", rename("a/from", "a/to"));
    show("a/to");
    say("mkdir", mkdir("b", 0755));
    say("rename across folders", rename("a/to", "b/to"));
    say("rename a folder", rename("b", "c"));
    show("c/to");
    say("rename a file over a folder", rename("a/note", "c"));
}

static void times(void) {
    struct timespec when[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1234567890, .tv_nsec = 500000000}};
    say("utimensat", utimensat(AT_FDCWD, "a/note", when, 0));
    struct stat st;
    must("stat", stat("a/note", &st) == 0);
    printf("accessed %lld, modified %lld.%09ld\n", (long long)st.st_atim.tv_sec, (long long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path, int depth) {
    DIR *dir = opendir(path);
    must(path, dir != NULL);
    char *names[200];
    size_t count = 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) names[count++] = strdup(e->d_name);
    closedir(dir);
    qsort(names, count, sizeof *names, by_text);
    for (size_t i = 0; i < count; i++) {
        char inner[300];
        snprintf(inner, sizeof inner, "%s/%s", path, names[i]);
        struct stat st;
        must(inner, lstat(inner, &st) == 0);
        int folder = S_ISDIR(st.st_mode);
        if (count < 50 || i % 40 == 0) printf("%*s%s%s %lld\n", depth * 2, "", names[i], folder ? "/" : "", folder ? 0LL : (long long)st.st_size);
        if (folder) list(inner, depth + 1);
        free(names[i]);
    }
}

static void many(void) {
    must("mkdir", mkdir("many", 0755) == 0);
    char path[32];
    for (int i = 0; i < 150; i++) {
        snprintf(path, sizeof path, "many/file-%03d", i);
        write_text(path, "w", path);
    }
}

static void clean(void) {
    char path[32];
    for (int i = 0; i < 150; i++) {
        snprintf(path, sizeof path, "many/file-%03d", i);
        must(path, unlink(path) == 0);
    }
    say("rmdir an emptied folder", rmdir("many"));
    say("unlink a link", unlink("a/pointer"));
    show("a/note");
}

int main(int argc, char **argv) {
    must("a folder to work in", argc == 2 && chdir(argv[1]) == 0);
    say("mkdir", mkdir("a", 0755));
    write_text("a/note", "w", "one\n");
    write_text("a/note", "a", "two\n");
    show("a/note");
    copy("a/note", "a/copy");
    show("a/copy");
    seeking();
    links();
    refusals();
    renames();
    times();
    many();
    list(".", 0);
    clean();
    list(".", 0);
    return 0;
}
