<?php
// Arrays, strings, JSON, hashing, classes, generators and files.
interface Priced { public function price(): float; }
final class Item implements Priced {
    public function __construct(public readonly string $name, private float $price) {}
    public function price(): float { return $this->price; }
}
$items = [new Item('pen', 9.99), new Item('nail', 0.1), new Item('cup', 5)];
usort($items, fn(Priced $a, Priced $b) => $a->price() <=> $b->price());
echo implode(',', array_map(fn($i) => $i->name, $items)), ' ', array_sum(array_map(fn($i) => $i->price(), $items)), "\n";
echo json_encode(['b' => [1, 2.5, null], 'a' => 'é']), "\n";
var_dump(json_decode('{"x": [1, {"y": true}]}', true)['x'][1]['y']);
echo hash('sha256', 'waft'), ' ', md5('waft'), ' ', crc32('waft'), "\n";
function squares(int $n) { for ($i = 1; $i <= $n; $i++) yield $i => $i * $i; }
foreach (squares(5) as $k => $v) echo "$k:$v ";
echo "\n", preg_replace_callback('/\d+/', fn($m) => $m[0] * 2, 'a1b22c333'), "\n";
printf("%05.2f|%-6s|%x|%s\n", 3.14159, 'ab', 255, number_format(1234567.891, 2));
$root = '/work';
mkdir("$root/notes");
foreach (range(1, 4) as $i) file_put_contents("$root/notes/$i.txt", str_repeat("note $i\n", $i));
rename("$root/notes/4.txt", "$root/notes/last.txt");
unlink("$root/notes/1.txt");
foreach (scandir("$root/notes") as $name) if ($name[0] !== '.') echo $name, ' ', filesize("$root/notes/$name"), "\n";
echo @file_get_contents('/etc/passwd') === false ? "not granted\n" : "escaped\n";
try { intdiv(1, 0); } catch (DivisionByZeroError $e) { echo $e->getMessage(), "\n"; }
exit(4);
