// C++ exceptions: what is thrown where, what is destroyed on the way, and who catches it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

int alive = 0;

struct Guard {
    std::string name;
    explicit Guard(std::string n) : name(std::move(n)) { alive++; }
    Guard(const Guard &) = delete;
    ~Guard() {
        alive--;
        std::printf("  leaves %s%s\n", name.c_str(), std::uncaught_exceptions() ? " in a hurry" : "");
    }
};

struct Problem : std::exception {
    int code;
    explicit Problem(int c) : code(c) {}
    const char *what() const noexcept override { return "a problem"; }
};
struct Detail : virtual Problem {
    std::string text;
    Detail(int c, std::string t) : Problem(c), text(std::move(t)) {}
    const char *what() const noexcept override { return text.c_str(); }
};
struct Left : virtual Detail {
    Left() : Problem(1), Detail(2, "left") {}
};
struct Right : virtual Detail {
    Right() : Problem(3), Detail(4, "right") {}
};
struct Both : Left, Right {
    Both() : Problem(5), Detail(6, "both") {}
};

// Every kind of thing is thrown, through frames that have something to destroy.
[[gnu::noinline]] void raise(int kind) {
    Guard guard("raise " + std::to_string(kind));
    static const char text[] = "a pointer";
    switch (kind) {
    case 0: return;
    case 1: throw 42;
    case 2: throw Problem(7);
    case 3: throw Detail(8, "a detail");
    case 4: throw Both();
    case 5: throw std::string("a string");
    case 6: throw text;
    case 7: throw std::out_of_range("out of range");
    case 8: throw 2.5;
    case 9: throw std::make_unique<int>(9);
    case 10: throw std::length_error("");
    case 11: throw nullptr;
    default: throw std::bad_alloc();
    }
}

std::string catch_one(int kind) {
    Guard guard("catch_one");
    try {
        Guard inner("the try");
        raise(kind);
        return "nothing";
    } catch (int number) {
        return "int " + std::to_string(number);
    } catch (const Detail &detail) {
        return std::string("detail ") + detail.what() + " " + std::to_string(detail.code);
    } catch (const Problem &problem) {
        return std::string("problem ") + problem.what() + " " + std::to_string(problem.code);
    } catch (std::string &text) {
        text += "!";
        return text;
    } catch (const char *text) {
        return std::string("pointer to ") + (text ? text : "nothing");
    } catch (const std::logic_error &error) {
        return std::string("logic error ") + (std::strlen(error.what()) ? error.what() : "without a word");
    } catch (std::unique_ptr<int> &owned) {
        return "owned " + std::to_string(*owned);
    } catch (...) {
        return "something";
    }
}

// Catches, and throws the same or another.
int rethrow(int depth) {
    Guard guard("rethrow " + std::to_string(depth));
    try {
        if (depth == 0) throw Problem(100);
        return rethrow(depth - 1);
    } catch (Problem &problem) {
        problem.code += depth;
        if (depth == 2) throw Detail(problem.code, "made of a problem");
        throw;
    }
}

// Nested, deep, and out of everything in one go.
[[gnu::noinline]] int deep(int depth) {
    struct Count {
        ~Count() { alive--; }
    } count;
    alive++;
    if (depth == 0) throw depth;
    return deep(depth - 1) + 1;
}

struct Member {
    explicit Member(int n) {
        if (n < 0) throw std::invalid_argument("negative");
        alive++;
    }
    ~Member() { alive--; }
};
struct Whole {
    Member first, second;
    Whole(int a, int b) try : first(a), second(b) {
    } catch (const std::invalid_argument &error) {
        std::printf("  a member fails: %s, alive %d\n", error.what(), alive);
        throw std::runtime_error("the whole fails");
    }
};

int through_callback(const std::function<int(int)> &f, int n) {
    Guard guard("callback");
    return f(n) + 1;
}

std::exception_ptr kept;

void keep() {
    try {
        throw Detail(11, "kept for later");
    } catch (...) {
        kept = std::current_exception();
    }
}

int parse(const std::map<std::string, int> &known, const std::string &line) {
    int sum = 0;
    for (size_t at = 0; at < line.size();) {
        size_t end = line.find(' ', at);
        if (end == std::string::npos) end = line.size();
        std::string word = line.substr(at, end - at);
        auto found = known.find(word);
        if (found == known.end()) throw std::invalid_argument("unknown word `" + word + "`");
        sum += found->second;
        at = end + 1;
    }
    return sum;
}

// Nested tries whose handlers try again.
int knot(unsigned seed, int depth) {
    try {
        if (depth == 0) throw seed;
        try {
            if (seed % 3 == 0) throw Problem(static_cast<int>(seed % 100));
            return knot(seed * 1664525u + 1013904223u, depth - 1) + 1;
        } catch (const Problem &problem) {
            try {
                return knot(seed / 7, depth - 1) + problem.code;
            } catch (unsigned inner) {
                throw inner + 1;
            }
        }
    } catch (unsigned value) {
        if (value % 2) throw value / 2;
        return static_cast<int>(value % 1000);
    }
}

} // namespace

int main(int argc, char **argv) {
    for (int kind = 0; kind <= 12; kind++) std::printf("%d: %s\n", kind, catch_one(kind).c_str());
    try {
        rethrow(3);
    } catch (const std::exception &error) {
        std::printf("out of rethrow: %s, %d\n", error.what(), dynamic_cast<const Problem &>(error).code);
    }
    try {
        deep(2000);
    } catch (int depth) {
        std::printf("out of the deep: %d, alive %d\n", depth, alive);
    }
    for (int b : {1, -1}) {
        try {
            Whole whole(1, b);
            std::printf("whole, alive %d\n", alive);
        } catch (const std::runtime_error &error) {
            std::printf("%s, alive %d\n", error.what(), alive);
        }
    }
    try {
        through_callback([](int n) -> int { return through_callback([](int m) -> int { throw m * 2; }, n + 1); }, 20);
    } catch (int n) {
        std::printf("out of callbacks: %d\n", n);
    }
    try {
        std::printf("%d\n", std::vector<int>(3).at(3));
    } catch (const std::out_of_range &) {
        std::puts("out of a vector");
    }
    keep();
    try {
        std::rethrow_exception(kept);
    } catch (const Problem &problem) {
        std::printf("later: %s %d\n", problem.what(), problem.code);
    }
    kept = nullptr;
    const std::map<std::string, int> known = {{"one", 1}, {"two", 2}, {"three", 3}};
    for (const char *line : {"one two three", "two four one", ""}) {
        try {
            std::printf("parsed %d\n", parse(known, line));
        } catch (const std::invalid_argument &error) {
            std::printf("not parsed: %s\n", error.what());
        }
    }
    long total = 0, caught = 0;
    for (unsigned seed = 1; seed <= 20000; seed++) {
        try {
            total += knot(seed, static_cast<int>(seed % 13));
        } catch (unsigned value) {
            total += value % 10;
            caught++;
        }
    }
    std::printf("knots: %ld, %ld fell out, alive %d\n", total, caught, alive);
    std::fflush(stdout);
    if (argc > 1 && std::strcmp(argv[1], "uncaught") == 0) throw Detail(1, "nobody catches this");
    if (argc > 1 && std::strcmp(argv[1], "noexcept") == 0) []() noexcept { raise(2); }();
    return 3;
}
