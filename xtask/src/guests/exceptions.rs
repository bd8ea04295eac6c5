//! C++ guests that throw: every `tests/programs/exceptions/*.cpp` becomes `NAME.wasm`, with the exceptions of WebAssembly
//! 3.0, and `NAME-legacy.wasm`, with the first form of them.
//!
//! The toolchain's C++ library is built without exceptions, but the sources of the parts that throw, unwind and catch
//! come with it. They are compiled here, and stand before the library on the linker's command line, so that the parts
//! that only pretend are never taken from it. What the library itself would throw from compiled code still aborts;
//! templates throw.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::c::sources_in;
use super::stamp::Stamp;
use super::strip;
use super::toolchain::{Toolchains, ZIGLANG};
use crate::step;
use crate::workspace;

/// One form of exceptions.
struct Form {
    suffix: &'static str,
    /// What LLVM calls it.
    option: &'static str,
}

const FORMS: [Form; 2] = [
    Form { suffix: "", option: "-wasm-use-legacy-eh=false" },
    Form { suffix: "-legacy", option: "-wasm-use-legacy-eh=true" },
];

/// For compiling alone: the libraries that are linked are those of all guests.
const TARGET: [&str; 5] =
    ["-target", "wasm32-wasi", "-mcpu=generic+exception_handling+multivalue+reference_types", "-O3", "-g"];

/// The parts of the C++ library that throw, unwind and catch, and the options that each needs.
const PARTS: [(&str, &[&str]); 3] = [
    ("libcxxabi/src/cxa_exception.cpp", CXXABI),
    ("libcxxabi/src/cxa_personality.cpp", CXXABI),
    // Written in C23.
    ("libunwind/src/Unwind-wasm.c", &["-w", "-D_LIBUNWIND_HIDE_SYMBOLS"]),
];

const CXXABI: &[&str] = &[
    "-std=c++23",
    "-D_LIBCXXABI_BUILDING_LIBRARY",
    "-D_LIBCXXABI_HAS_NO_THREADS",
    "-D_LIBCPP_BUILDING_LIBRARY",
    "-D_LIBCPP_ENABLE_CXX17_REMOVED_UNEXPECTED_FUNCTIONS",
    "-DLIBCXX_BUILDING_LIBCXXABI",
];

/// The tag of all C++ exceptions, which no source of the library defines.
const TAG: &str = "\t.tagtype __cpp_exception i32\n\t.globl __cpp_exception\n__cpp_exception:\n";

/// Builds every program of both forms that is missing or stale.
pub(crate) fn build_all(toolchains: &Toolchains) -> Result<()> {
    for source in sources_in(&workspace::root().join("tests/programs/exceptions"), "cpp")? {
        for form in &FORMS {
            build(&toolchains.zig, form, &source)?;
        }
    }
    Ok(())
}

fn build(zig: &Path, form: &Form, source: &Path) -> Result<()> {
    let name =
        format!("{}{}", source.file_stem().expect("a source has a name").to_string_lossy(), form.suffix);
    let out = workspace::guests().join("wasm").join(format!("{name}.wasm"));
    let key = [TARGET.concat(), CXXABI.concat(), form.option.to_owned(), TAG.to_owned(), ZIGLANG.to_owned()];
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    let stamp = Stamp::of_files(&format!("exceptions-{name}"), &key, &[source])?;
    if stamp.holds(&out) {
        return Ok(());
    }
    step::heading(&format!("guests: compiling {} to {name}.wasm", workspace::relative(source)));
    let mut objects = runtime(zig, form)?;
    let object = objects_folder(form).join(format!("{name}.o"));
    let program = ["-std=c++20", "-Wall", "-Wextra", "-Werror"];
    compile(zig, form, source, &object, &program)?;
    objects.push(object);
    let mut link = zig_command(zig, "c++");
    link.args(["-target", "wasm32-wasi", "-O3", "-g"]).args(&objects).arg("-o").arg(&out);
    step::capture(&mut link)?;
    fs::write(&out, strip::without_custom_sections(&fs::read(&out)?)?)?;
    stamp.set()
}

/// Compiles what throws and catches. Gives back the objects, in the order in which they are linked.
fn runtime(zig: &Path, form: &Form) -> Result<Vec<PathBuf>> {
    let library = zig.parent().context("the compiler stands in a folder")?.join("lib");
    let folder = objects_folder(form);
    fs::create_dir_all(&folder)?;
    let mut objects = Vec::new();
    for (part, options) in PARTS {
        let source = library.join(part);
        let object = folder.join(source.file_name().expect("a part has a name")).with_extension("o");
        let includes = ["libcxxabi/include", "libunwind/include", "libcxx/src"];
        let includes = includes.map(|include| format!("-I{}", library.join(include).display()));
        let options: Vec<&str> = options.iter().copied().chain(includes.iter().map(String::as_str)).collect();
        compile(zig, form, &source, &object, &options)?;
        objects.push(object);
    }
    let (tag, object) = (folder.join("tag.s"), folder.join("tag.o"));
    fs::write(&tag, TAG)?;
    let mut assemble = zig_command(zig, "cc");
    assemble.args(TARGET).arg("-c").arg(&tag).arg("-o").arg(&object);
    step::capture(&mut assemble)?;
    objects.push(object);
    Ok(objects)
}

fn compile(zig: &Path, form: &Form, source: &Path, object: &Path, options: &[&str]) -> Result<()> {
    let language = if source.extension().is_some_and(|extension| extension == "c") { "cc" } else { "c++" };
    let mut command = zig_command(zig, language);
    command.args(TARGET).args(["-fwasm-exceptions", "-mllvm", form.option]).args(options);
    command.arg("-c").arg(source).arg("-o").arg(object);
    step::capture(&mut command)?;
    Ok(())
}

fn zig_command(zig: &Path, language: &str) -> Command {
    let cache = workspace::guests().join("cache/zig");
    let mut command = Command::new(zig);
    command.arg(language).env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    command
}

fn objects_folder(form: &Form) -> PathBuf {
    workspace::guests().join("cache").join(format!("exceptions{}", form.suffix))
}
