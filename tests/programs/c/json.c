// Reads JSON from standard input into a tree, sums it up, and prints it indented with the keys in order.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NIL, BOOL, NUMBER, STRING, LIST, OBJECT };

struct value {
    enum kind kind;
    double number;
    char *text;
    char **keys;
    struct value **items;
    size_t count;
};

static const char *at;
static size_t values, deepest;

static void fail(const char *why) {
    fprintf(stderr, "json: %s at '%.10s'\n", why, at);
    exit(1);
}

static void space(void) {
    while (isspace((unsigned char)*at)) at++;
}

static void expect(char c) {
    space();
    if (*at != c) fail("unexpected character");
    at++;
}

static void put_utf8(char **out, unsigned c) {
    if (c < 0x80) *(*out)++ = (char)c;
    else if (c < 0x800) *(*out)++ = (char)(0xc0 | c >> 6), *(*out)++ = (char)(0x80 | (c & 63));
    else if (c < 0x10000) *(*out)++ = (char)(0xe0 | c >> 12), *(*out)++ = (char)(0x80 | (c >> 6 & 63)), *(*out)++ = (char)(0x80 | (c & 63));
    else *(*out)++ = (char)(0xf0 | c >> 18), *(*out)++ = (char)(0x80 | (c >> 12 & 63)), *(*out)++ = (char)(0x80 | (c >> 6 & 63)), *(*out)++ = (char)(0x80 | (c & 63));
}

static unsigned hex4(void) {
    char digits[5] = {0};
    strncpy(digits, at, 4);
    at += 4;
    return (unsigned)strtoul(digits, NULL, 16);
}

static char *string(void) {
    expect('"');
    char *text = malloc(strlen(at) + 1), *out = text;
    while (*at && *at != '"') {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        at++;
        char c = *at++;
        if (c == 'u') {
            unsigned code = hex4();
            if (code >= 0xd800 && code < 0xdc00 && at[0] == '\\' && at[1] == 'u') {
                at += 2;
                code = 0x10000 + ((code - 0xd800) << 10) + (hex4() - 0xdc00);
            }
            put_utf8(&out, code);
        } else *out++ = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
    }
    expect('"');
    *out = 0;
    return text;
}

static struct value *parse(size_t depth);

static void push(struct value *v, char *key, struct value *item) {
    v->keys = realloc(v->keys, (v->count + 1) * sizeof *v->keys);
    v->items = realloc(v->items, (v->count + 1) * sizeof *v->items);
    v->keys[v->count] = key;
    v->items[v->count++] = item;
}

static void members(struct value *v, char close, size_t depth) {
    at++;
    space();
    if (*at == close) {
        at++;
        return;
    }
    for (;;) {
        char *key = NULL;
        if (close == '}') {
            space();
            key = string();
            expect(':');
        }
        push(v, key, parse(depth + 1));
        space();
        if (*at == close) break;
        expect(',');
    }
    at++;
}

static struct value *parse(size_t depth) {
    struct value *v = calloc(1, sizeof *v);
    values++;
    if (depth > deepest) deepest = depth;
    space();
    if (*at == '{') v->kind = OBJECT, members(v, '}', depth);
    else if (*at == '[') v->kind = LIST, members(v, ']', depth);
    else if (*at == '"') v->kind = STRING, v->text = string();
    else if (!strncmp(at, "true", 4)) v->kind = BOOL, v->number = 1, at += 4;
    else if (!strncmp(at, "false", 5)) v->kind = BOOL, at += 5;
    else if (!strncmp(at, "null", 4)) at += 4;
    else {
        char *end;
        v->kind = NUMBER;
        v->number = strtod(at, &end);
        if (end == at) fail("no value");
        at = end;
    }
    return v;
}

static void print(const struct value *v, int indent) {
    static const char *spaces = "                                        ";
    if (v->kind == NIL) printf("null");
    else if (v->kind == BOOL) printf(v->number ? "true" : "false");
    else if (v->kind == NUMBER) printf("%.15g", v->number);
    else if (v->kind == STRING) printf("\"%s\"", v->text);
    else {
        size_t *order = malloc((v->count + 1) * sizeof *order);
        for (size_t i = 0; i < v->count; i++) {
            size_t j = i;
            while (v->kind == OBJECT && j > 0 && strcmp(v->keys[order[j - 1]], v->keys[i]) > 0) order[j] = order[j - 1], j--;
            order[j] = i;
        }
        printf(v->kind == LIST ? "[" : "{");
        for (size_t i = 0; i < v->count; i++) {
            printf("%s\n%.*s", i ? "," : "", indent + 2, spaces);
            if (v->kind == OBJECT) printf("\"%s\": ", v->keys[order[i]]);
            print(v->items[order[i]], indent + 2);
        }
        if (v->count) printf("\n%.*s", indent, spaces);
        printf(v->kind == LIST ? "]" : "}");
        free(order);
    }
}

int main(void) {
    size_t size = 0, got;
    char *text = NULL, piece[512];
    while ((got = fread(piece, 1, sizeof piece, stdin)) > 0) {
        text = realloc(text, size + got + 1);
        memcpy(text + size, piece, got);
        size += got;
        text[size] = 0;
    }
    if (!text) return 1;
    at = text;
    struct value *v = parse(1);
    space();
    if (*at) fail("something follows the value");
    print(v, 0);
    printf("\n%zu values, %zu deep\n", values, deepest);
    return 0;
}
