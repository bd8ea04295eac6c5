"""A tour of the standard library: the file system, hashing, JSON, sorting, and a good deal more."""
import base64
import collections
import contextlib
import csv
import dataclasses
import datetime
import decimal
import fractions
import functools
import hashlib
import heapq
import io
import itertools
import json
import math
import os
import pathlib
import random
import re
import shutil
import statistics
import struct
import sys
import textwrap
import unicodedata

root = pathlib.Path(sys.argv[1])
print("python", sys.version_info[:2], sys.platform, len(sys.argv), os.environ["GREETING"])


@dataclasses.dataclass(order=True)
class Item:
    price: decimal.Decimal
    name: str = dataclasses.field(compare=False)


def files():
    (root / "a" / "b").mkdir(parents=True)
    for i in range(6):
        (root / "a" / f"{i}.txt").write_text(f"line {i}\n" * (i + 1), encoding="utf-8")
    (root / "a" / "5.txt").rename(root / "a" / "b" / "moved.txt")
    (root / "a" / "0.txt").unlink()
    shutil.copyfile(root / "a" / "4.txt", root / "a" / "b" / "copy.txt")
    os.symlink("b/moved.txt", root / "a" / "pointer")
    print((root / "a" / "pointer").read_text().count("line"), os.readlink(root / "a" / "pointer"))
    for folder, folders, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            print(path.relative_to(root), path.stat().st_size, digest)
    with open(root / "binary", "wb+") as f:
        f.write(struct.pack("<IdQ", 7, 2.5, 2**63))
        f.seek(4)
        print(struct.unpack("<d", f.read(8)), f.tell())
        f.truncate(6)
    print(os.path.getsize(root / "binary"), sorted(os.listdir(root)))
    with contextlib.suppress(FileNotFoundError):
        open(root / "absent")
        print("opened what is not there")
    try:
        open("/etc/passwd")
        print("escaped")
    except OSError:
        print("not granted")
    shutil.rmtree(root / "a")
    print(sorted(os.listdir(root)))


def text():
    words = re.findall(r"[a-z]+", "the cat sat on the mat, the end".lower())
    print(collections.Counter(words).most_common(2))
    print(textwrap.fill("WebAssembly programs run where they are sent, " * 2, 40))
    print(json.dumps({"b": [1, 2.5, None, True], "a": {"ü": "\u00e9"}}, sort_keys=True))
    print(json.loads('{"x": [1e3, -0.5, "\\u2603"]}'))
    print(unicodedata.name("é"), "straße".upper(), "ΑΒΓ".lower(), "naïve".encode())
    out = io.StringIO()
    csv.writer(out).writerows([["a", 'say "hi"'], [1, "x,y"]])
    print(repr(out.getvalue()))
    print(base64.b64encode(bytes(range(20))).decode())
    print(f"{1234567.891:,.2f} {255:#x} {0.1 + 0.2!r} {'mid':^9}|")


def numbers():
    items = [Item(decimal.Decimal("9.99"), "pen"), Item(decimal.Decimal("0.10"), "nail"), Item(decimal.Decimal("5"), "cup")]
    print([item.name for item in sorted(items)], sum(item.price for item in items))
    print(2**200, math.factorial(30), fractions.Fraction(1, 3) + fractions.Fraction(1, 6))
    print(statistics.mean([1, 2, 3, 4]), statistics.stdev([2, 4, 4, 5]), math.isclose(math.sin(math.pi / 6), 0.5))
    random.seed(42)
    sample = [random.randrange(1000) for _ in range(5000)]
    print(sample[:5], sorted(sample)[2500], heapq.nlargest(3, sample))
    print(hashlib.sha256(repr(sorted(sample)).encode()).hexdigest())
    print(hashlib.md5(b"waft").hexdigest(), hashlib.blake2b(b"waft", digest_size=8).hexdigest())
    print(list(itertools.islice(itertools.permutations("abcd", 2), 5)))
    print(datetime.date(2024, 2, 28) + datetime.timedelta(days=2), datetime.datetime(2000, 1, 1).isoformat())

    @functools.lru_cache(maxsize=None)
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    for n in range(0, 150, 10):  # deeper at once than its C stack allows in this build
        fib(n)
    print(fib(150))


def control():
    def generator():
        try:
            got = yield 1
            print("sent", got)
            yield got * 2
        finally:
            print("closed")

    g = generator()
    print(next(g), g.send(21))
    g.close()
    try:
        sys.setrecursionlimit(600)
        (lambda f: f(f))(lambda f: f(f))
    except RecursionError as error:
        print(type(error).__name__)
    try:
        {}["key"]
    except KeyError as error:
        print(repr(error))
    print(sum(len(line) for line in sys.stdin))


files()
text()
numbers()
control()
sys.exit(5)
