// The C++ standard library: containers, algorithms, streams, smart pointers, virtual calls, lambdas.
#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace {

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
    virtual std::string name() const = 0;
};

struct Circle final : Shape {
    explicit Circle(double r) : radius(r) {}
    double area() const override { return 3.14159265358979 * radius * radius; }
    std::string name() const override { return "circle"; }
    double radius;
};

struct Box final : Shape {
    Box(double w, double h) : width(w), height(h) {}
    double area() const override { return width * height; }
    std::string name() const override { return "box"; }
    double width, height;
};

// A static object: its constructor must run before `main`, its destructor after.
struct Announcer {
    Announcer() { std::puts("constructed"); }
    ~Announcer() { std::puts("destroyed"); }
} announcer;

void shapes() {
    std::vector<std::unique_ptr<Shape>> all;
    for (int i = 1; i <= 3; i++) {
        all.push_back(std::make_unique<Circle>(i));
        all.push_back(std::make_unique<Box>(i, i + 0.5));
    }
    std::sort(all.begin(), all.end(), [](const auto &a, const auto &b) { return a->area() < b->area(); });
    for (const auto &shape : all) std::cout << std::setw(8) << std::left << shape->name() << std::fixed << std::setprecision(3) << shape->area() << '\n';
}

void maps() {
    std::map<std::string, std::vector<int>> groups;
    std::unordered_map<int, long> squares;
    for (int i = 0; i < 1000; i++) {
        groups[i % 15 == 0 ? "fizzbuzz" : i % 5 == 0 ? "buzz" : i % 3 == 0 ? "fizz" : "plain"].push_back(i);
        squares[i] = static_cast<long>(i) * i;
    }
    for (const auto &[name, members] : groups) std::cout << name << ' ' << members.size() << ' ' << std::accumulate(members.begin(), members.end(), 0) << '\n';
    std::multiset<int> digits;
    for (const auto &[key, value] : squares) digits.insert(static_cast<int>(value % 10));
    for (int d = 0; d < 10; d++) std::cout << digits.count(d) << (d < 9 ? ' ' : '\n');
}

std::optional<std::variant<long, std::string>> parse(std::string_view text) {
    if (text.empty()) return std::nullopt;
    if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::stol(std::string(text));
    return std::string(text.rbegin(), text.rend());
}

void words() {
    std::istringstream in("the quick 42 brown fox 007 jumps");
    std::deque<std::string> seen;
    for (std::string word; in >> word;) {
        auto value = parse(word);
        if (std::holds_alternative<long>(*value)) seen.push_front(std::to_string(std::get<long>(*value) * 2));
        else seen.push_back(std::get<std::string>(*value));
    }
    for (const auto &word : seen) std::cout << '[' << word << ']';
    std::cout << (parse("") ? " something" : " nothing") << '\n';
}

void functions() {
    std::function<long(int)> fib = [&](int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); };
    std::array<int, 6> values{5, 3, 9, 1, 7, 2};
    std::partial_sort(values.begin(), values.begin() + 3, values.end());
    std::cout << fib(20) << ' ' << values[0] << values[1] << values[2] << '\n';
    int permutations = 0;
    std::string letters = "abcde";
    do permutations += letters[0] < letters[4];
    while (std::next_permutation(letters.begin(), letters.end()));
    std::cout << permutations << '\n';
}

} // namespace

int main() {
    shapes();
    maps();
    words();
    functions();
    return 0;
}
