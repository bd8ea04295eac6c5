// The shortest ways between all places of a map, by allowing one more place to come by at a time.
#include <stdio.h>

enum { N = 720, FAR = 1 << 20 };

static int way[N][N];

int main(void) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) way[i][j] = i == j ? 0 : (i + j) % 13 && (i * j) % 7 ? FAR : i * j % 97 + 1;
    for (int k = 0; k < N; k++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                int by = way[i][k] + way[k][j];
                if (by < way[i][j]) way[i][j] = by;
            }
    long long sum = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) sum += way[i][j];
    printf("%lld\n", sum);
    return 0;
}
