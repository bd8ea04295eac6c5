// Tries every way it knows out of the folder it was given, `/box`. Each must be refused, whatever the error.
//
// Beside the folder, outside the grant, stands `secret`; in it stand the links that the host put there.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int escapes;

static void refused(const char *what, int result) {
    if (result < 0) {
        printf("refused: %s\n", what);
        return;
    }
    printf("ESCAPED: %s\n", what);
    escapes++;
}

static int reads(const char *path) {
    int fd = open(path, O_RDONLY);
    char c;
    if (fd < 0) return -1;
    ssize_t n = read(fd, &c, 1);
    close(fd);
    return n == 1 ? 0 : -1;
}

int main(void) {
    struct stat st;
    refused("dot dot", reads("/box/../secret"));
    refused("dot dot, deeper", reads("/box/inner/../../secret"));
    refused("dot dot behind a link", reads("/box/inner-link/../../secret"));
    refused("an absolute path", reads("/etc/passwd"));
    refused("the folder's parent", stat("/box/..", &st));
    refused("the folder's parent, with a slash", stat("/box/../", &st));
    refused("a link that climbs", reads("/box/climbs"));
    refused("a link that climbs, with a slash", reads("/box/climbs/"));
    refused("a link to an absolute path", reads("/box/absolute"));
    refused("a folder behind a link", reads("/box/out/secret"));
    refused("a folder behind a link, listed", opendir("/box/out") ? 0 : -1);
    refused("a folder behind a link, listed with a slash", opendir("/box/out/") ? 0 : -1);
    refused("creating through a link", open("/box/out/new", O_WRONLY | O_CREAT, 0644));
    refused("creating through a dangling link", open("/box/dangling", O_WRONLY | O_CREAT, 0644));
    refused("creating above", open("/box/../new", O_WRONLY | O_CREAT, 0644));
    refused("making a folder above", mkdir("/box/../folder", 0755));
    refused("renaming to above", rename("/box/mine", "/box/../mine"));
    refused("renaming from above", rename("/box/../secret", "/box/secret"));
    refused("linking from above", link("/box/../secret", "/box/secret"));
    refused("linking from behind a link", link("/box/out/secret", "/box/secret"));
    refused("removing above", unlink("/box/../secret"));
    refused("removing behind a link", unlink("/box/out/secret"));
    symlink("../secret", "/box/made");
    refused("a link of its own that climbs", reads("/box/made"));
    symlink("/etc/passwd", "/box/made-absolute");
    refused("a link of its own to an absolute path", reads("/box/made-absolute"));
    printf("its own file: %s\n", reads("/box/mine") ? "lost" : "still there");
    printf("%d escapes\n", escapes);
    return escapes != 0;
}
