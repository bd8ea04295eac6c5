# Core Ruby and files under a granted folder.
root = ARGV[0]
puts "ruby #{RUBY_VERSION} #{RUBY_PLATFORM} #{ENV['GREETING']}"

Item = Struct.new(:name, :price) do
  include Comparable
  def <=>(other) = price <=> other.price
end

items = [Item.new("pen", 9.99r), Item.new("nail", 1/10r), Item.new("cup", 5)]
puts items.sort.map(&:name).inspect, items.sum(&:price)
puts (1..20).each_slice(6).map(&:sum).inspect
puts "the cat sat on the mat".split.tally.sort_by { |word, count| [-count, word] }.first(2).inspect
puts 3**100, 100.digits.inspect, (2**64).to_s(36), 10.pow(50, 97)
puts "Grüße, Welt".unicode_normalize(:nfd).length rescue puts "no tables"
puts "a1b22c333".gsub(/\d+/) { |n| (n.to_i * 2).to_s }
puts "%08.3f|%-6s|%+d|%x" % [3.14159, "ab", 5, 255]

Dir.mkdir("#{root}/notes")
5.times { |i| File.write("#{root}/notes/#{i}.txt", "note #{i}\n" * (i + 1)) }
File.rename("#{root}/notes/4.txt", "#{root}/notes/last.txt")
File.delete("#{root}/notes/0.txt")
Dir.children("#{root}/notes").sort.each { |name| puts "#{name} #{File.size("#{root}/notes/#{name}")} #{File.read("#{root}/notes/#{name}").sum}" }
File.open("#{root}/notes/last.txt", "r+") do |f|
  f.seek(5)
  f.write("X")
  f.rewind
  puts f.gets
end
begin
  File.read("#{root}/absent")
rescue SystemCallError => e
  puts e.class
end
begin
  File.read("/etc/passwd")
  puts "escaped"
rescue SystemCallError
  puts "not granted"
end

fib = Hash.new { |h, n| h[n] = n < 2 ? n : h[n - 1] + h[n - 2] }
puts fib[80]
lazy = (1..Float::INFINITY).lazy.select { |n| n % 7 == 3 }.map { |n| n * n }
puts lazy.first(4).inspect
sorted = Array.new(5000) { |i| (i * 7919) % 5003 }.sort
puts sorted.each_with_index.sum { |v, i| v * i } % 1_000_007
puts catch(:done) { 10.times { |i| throw :done, i if i * i > 30 } }
def deep(n) = n.zero? ? 0 : 1 + deep(n - 1)
puts deep(1000)
begin
  Integer("x")
rescue ArgumentError => e
  puts e.message
ensure
  puts "ensured"
end
puts $stdin.read.lines.map(&:chomp).reverse.join(",")
exit 6
