// The Rust standard library: collections, strings, files, formatting, and an exit code.
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::{env, fs, io, process};

fn main() -> io::Result<()> {
    let root = env::args().nth(1).expect("a folder to work in");
    let mut stock: BTreeMap<String, i64> = BTreeMap::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if let Some((name, amount)) = line.split_once(' ') {
            *stock.entry(name.to_owned()).or_default() += amount.parse::<i64>().unwrap_or(0);
        }
    }
    fs::create_dir_all(format!("{root}/store/deep"))?;
    let mut file = fs::File::create(format!("{root}/store/deep/stock.txt"))?;
    for (name, amount) in &stock {
        writeln!(file, "{name:>8} {amount:+}")?;
    }
    drop(file);
    print!("{}", fs::read_to_string(format!("{root}/store/deep/stock.txt"))?);
    let lengths: HashMap<usize, usize> = stock.keys().fold(HashMap::new(), |mut map, name| {
        *map.entry(name.len()).or_default() += 1;
        map
    });
    let mut lengths: Vec<_> = lengths.into_iter().collect();
    lengths.sort_unstable();
    println!("{lengths:?}");
    println!("not granted: {}", fs::read("/etc/passwd").is_err());
    println!("{:.3} {:e} {:?}", std::f64::consts::PI, 1234.5, f32::MIN_POSITIVE);
    fs::remove_dir_all(format!("{root}/store"))?;
    process::exit(3)
}
