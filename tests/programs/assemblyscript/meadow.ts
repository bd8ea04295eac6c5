// AssemblyScript: its strings, maps, closures over classes, garbage collector and floats, and SIMD written by hand.
// The standard library knows no WASI here: what the program needs of it is declared below.

@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovs: usize, iovs_len: usize, nwritten: usize): u32;
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(argc: usize, bytes: usize): u32;
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(argv: usize, buffer: usize): u32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

function write(fd: u32, text: string): void {
  const bytes = String.UTF8.encode(text + "\n");
  const iov = memory.data(12);
  let at = changetype<usize>(bytes);
  let left = <usize>bytes.byteLength;
  while (left > 0) {
    store<usize>(iov, at, 0);
    store<usize>(iov, left, 4);
    if (fd_write(fd, iov, 1, iov + 8) != 0) proc_exit(74);
    const written = load<usize>(iov, 8);
    at += written;
    left -= written;
  }
}

function print(text: string): void {
  write(1, text);
}

// What `throw` and failed assertions come to.
export function stop(message: string | null, file: string | null, line: u32, column: u32): void {
  write(2, "stopped: " + (message === null ? "without a message" : message) + " at " + (file === null ? "?" : file) + ":" + line.toString());
  proc_exit(70);
  unreachable();
}

function args(): string[] {
  const sizes = memory.data(8);
  args_sizes_get(sizes, sizes + 4);
  const count = load<u32>(sizes);
  const pointers = new StaticArray<u32>(count);
  const buffer = new StaticArray<u8>(load<u32>(sizes, 4));
  args_get(changetype<usize>(pointers), changetype<usize>(buffer));
  const words = new Array<string>();
  for (let i: u32 = 0; i < count; i++) {
    let end = <usize>pointers[i];
    while (load<u8>(end) != 0) end++;
    words.push(String.UTF8.decodeUnsafe(pointers[i], end - pointers[i]));
  }
  return words;
}

// Strings, maps and sorting with closures.
function words(): void {
  const text =
    "In the meadow the bees hum, and the clover — pink, white and pink again — nods to the bees; " +
    "Übermut der Blümchen! the bees know.";
  const counts = new Map<string, i32>();
  let word = "";
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 32;
    const letter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code >= 0xc0 && code < 0x2000;
    if (letter) {
      word += String.fromCharCode(code);
    } else if (word.length > 0) {
      const key = word.toLowerCase();
      counts.set(key, counts.has(key) ? counts.get(key) + 1 : 1);
      word = "";
    }
  }
  const keys = counts.keys();
  keys.sort((a, b) => {
    const by = counts_of(b) - counts_of(a);
    return by != 0 ? by : a < b ? -1 : a > b ? 1 : 0;
  });
  print("words: " + keys.slice(0, 5).join(" ") + ", " + keys.length.toString() + " different");
  const backwards = text.split(" ").reverse().slice(0, 4).join("_").padStart(40, ".");
  print("backwards: " + backwards);
  print("upper: " + text.toUpperCase().substring(88, 110) + " " + text.indexOf("clover").toString());
}

const BEES = "bees";
// Closures capture nothing in this language: what they need is global.
function counts_of(word: string): i32 {
  return word == BEES ? 3 : word.length > 4 ? 1 : 0;
}

// Virtual calls.
abstract class Plant {
  constructor(public name: string) {}
  abstract height(day: i32): f64;
  describe(day: i32): string {
    return this.name + " " + this.height(day).toString();
  }
}
class Grass extends Plant {
  height(day: i32): f64 {
    return <f64>day * 0.25;
  }
}
class Clover extends Plant {
  height(day: i32): f64 {
    return 12.0 * (1.0 - Math.exp(-(<f64>day) / 9.0));
  }
  describe(day: i32): string {
    return super.describe(day) + (this.height(day) > 8.0 ? " in bloom" : "");
  }
}

// Garbage: trees that are dropped, and one that is kept.
class Node {
  left: Node | null = null;
  right: Node | null = null;
  constructor(public value: u32) {}
  sum(): u32 {
    let total = this.value;
    const left = this.left;
    const right = this.right;
    if (left) total += left.sum();
    if (right) total += right.sum();
    return total;
  }
}
function grow(depth: i32, seed: u32): Node {
  const node = new Node((seed * 2654435761) >> 20);
  if (depth > 0) {
    node.left = grow(depth - 1, seed * 2 + 1);
    node.right = grow(depth - 1, seed * 2 + 2);
  }
  return node;
}
function trees(): void {
  const kept = grow(10, 7);
  let total: u64 = 0;
  for (let round: u32 = 0; round < 60; round++) total += grow(12, round).sum();
  __collect();
  print("trees: " + total.toString() + " and " + kept.sum().toString());
  print("memory stays small: " + (memory.size() < 256 ? "yes" : "no"));
}

// Numbers of all kinds.
function numbers(): void {
  let a: u64 = 0, b: u64 = 1;
  for (let i = 0; i < 90; i++) {
    const next = a + b;
    a = b;
    b = next;
  }
  print("fibonacci(90) = " + a.toString() + ", as i32 " + (<i32>a).toString() + ", clz " + clz(a).toString());
  print("floats: " + [0.1 + 0.2, Math.sqrt(2), Math.pow(3, 40), 1e21, -0.0, NaN, 1 / 3].join(" "));
  print("f32: " + Mathf.sin(1).toString() + " " + (<f32>16777217).toString());
  print("saturated: " + (<i32>4e9).toString() + " " + rotl<u32>(0xdeadbeef, 8).toString());
  const sines = new Float64Array(1000);
  for (let i = 0; i < sines.length; i++) sines[i] = Math.sin(<f64>i) * Math.cos(<f64>i / 2);
  print("sum of waves: " + sines.reduce((sum, x, i, all) => sum + x, <f64>0).toString());
}

// 128 bits at a time. Where relaxed operators may differ from machine to machine, these operands do not go.
function vectors(): void {
  const count = 4096;
  const pixels = new StaticArray<u8>(count);
  for (let i = 0; i < count; i++) pixels[i] = <u8>(i * 37 + (i >> 4));
  const at = changetype<usize>(pixels);
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < <usize>count; i += 16) {
    const block = v128.load(at + i);
    const low = v128.and(block, i8x16.splat(0x7f));
    sums = i32x4.relaxed_dot_i8x16_i7x16_add_s(low, i8x16.splat(3), sums);
    v128.store(at + i, i8x16.relaxed_swizzle(block, i8x16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)));
  }
  const total =
    i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  let hash: u32 = 2166136261;
  for (let i = 0; i < count; i++) hash = (hash ^ pixels[i]) * 16777619;
  print("pixels: " + total.toString() + " " + hash.toString(16));

  // Small whole numbers: one rounding or two is the same.
  let acc = f64x2.splat(0);
  for (let i = 0; i < 1000; i++) acc = f64x2.relaxed_madd(f64x2.splat(<f64>i), f64x2(2, -3), acc);
  const least = f32x4.relaxed_min(f32x4(1, 5, -2, 8), f32x4(3, 4, -7, 8));
  print(
    "madd: " + f64x2.extract_lane(acc, 0).toString() + " " + f64x2.extract_lane(acc, 1).toString() +
    ", min: " + f32x4.extract_lane(least, 2).toString() +
    ", trunc: " + i32x4.extract_lane(i32x4.relaxed_trunc_f32x4_s(f32x4(-7.9, 0, 0, 0)), 0).toString(),
  );
}

const given = args();
print("given: " + given.slice(1).join("|"));
words();
const plants: Plant[] = [new Grass("grass"), new Clover("clover"), new Clover("sorrel")];
for (let day = 1; day < 30; day += 14) print(plants.map<string>((plant, i, all) => plant.name).join("/") + ": " + plants[day % 3].describe(day));
trees();
numbers();
vectors();
if (given.length > 2) throw new RangeError("too many words");
proc_exit(<u32>given.length + 1);
