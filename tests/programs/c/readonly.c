// Tries to change a folder that is granted for reading only, `/kept`, next to one that is not, `/free`.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int changes;

static void refused(const char *what, int result) {
    printf("%s: %s\n", result < 0 ? "refused" : "ALLOWED", what);
    changes += result >= 0;
}

int main(void) {
    char text[16] = {0};
    int fd = open("/kept/note", O_RDONLY);
    printf("reading: %s\n", fd >= 0 && read(fd, text, sizeof text - 1) > 0 ? text : "refused");
    refused("writing through a descriptor for reading", (int)write(fd, "x", 1));
    refused("truncating through it", ftruncate(fd, 0));
    refused("setting its times", futimens(fd, NULL));
    refused("opening to write", open("/kept/note", O_WRONLY));
    refused("opening to append", open("/kept/note", O_WRONLY | O_APPEND));
    refused("opening to truncate", open("/kept/note", O_RDONLY | O_TRUNC));
    refused("creating", open("/kept/new", O_RDONLY | O_CREAT, 0644));
    refused("making a folder", mkdir("/kept/folder", 0755));
    refused("removing", unlink("/kept/note"));
    refused("removing a folder", rmdir("/kept/inner"));
    refused("renaming within", rename("/kept/note", "/kept/other"));
    refused("renaming out", rename("/kept/note", "/free/note"));
    refused("renaming in", rename("/free/mine", "/kept/mine"));
    refused("linking in", link("/free/mine", "/kept/mine"));
    refused("a symbolic link", symlink("note", "/kept/pointer"));
    refused("setting times by path", utimensat(AT_FDCWD, "/kept/note", NULL, 0));
    fd = open("/free/mine", O_WRONLY | O_APPEND);
    printf("the free folder: %s\n", fd >= 0 && write(fd, "!", 1) == 1 ? "written" : "refused");
    printf("%d changes\n", changes);
    return changes != 0;
}
