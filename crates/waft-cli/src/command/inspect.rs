//! `waft inspect`: what a module is, what it asks for, and which grants it would need.

mod json;

use crate::input::Input;
use crate::needs::{self, Grants, Need};
use crate::setup::Setup;
use crate::units::format_size;
use crate::{describe, output};
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use waft::{ExternType, Module, Result};

/// Show what a module imports, exports and uses, and which grants it would need
#[derive(Args)]
#[command(after_help = "\
Examples:
  waft inspect app.wasm
  waft inspect --json app.wasm | jq .grants
  waft inspect --proposal all old.wasm")]
pub(crate) struct Inspect {
    /// A module: text, binary or precompiled; `-` for standard input
    file: PathBuf,

    /// Print JSON, for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    setup: Setup,
}

/// One import or export, in words.
struct Item {
    /// The module of an import; empty for an export.
    module: String,
    name: String,
    ty: String,
    /// For an import: what it reaches, or `None` if nobody provides it.
    need: Option<Need>,
}

/// One flag of `waft run`, and the imports that ask for it.
struct Grant {
    /// Short and stable, for programs.
    key: &'static str,
    /// What to do, for people.
    how: &'static str,
    functions: Vec<String>,
}

/// All that is shown, whichever way.
struct Inspection {
    file: String,
    source_bytes: Option<u64>,
    name: Option<String>,
    /// How many it defines itself.
    functions: usize,
    /// `None` for a precompiled module: it does not keep the code that would tell.
    proposals: Option<Vec<&'static str>>,
    start: Option<u32>,
    memories: Vec<String>,
    tables: Vec<String>,
    imports: Vec<Item>,
    exports: Vec<Item>,
    custom_sections: Vec<(String, u64)>,
    grants: Vec<Grant>,
}

impl Inspect {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let input = Input::read(&self.file)?;
        let (file, source_bytes) = (input.name.clone(), input.source_bytes());
        let module = input.into_decoded(&self.setup.engine()?)?;
        let inspection = Inspection::of(file, source_bytes, &module)?;
        output::print(&if self.json { inspection.to_json() } else { inspection.to_text() })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Inspection {
    fn of(file: String, source_bytes: Option<u64>, module: &Module) -> Result<Inspection> {
        let memories = own(module, |ty| matches!(ty, ExternType::Memory(_)), module.memories());
        let tables = own(module, |ty| matches!(ty, ExternType::Table(_)), module.tables());
        Ok(Inspection {
            file,
            source_bytes,
            name: module.name().map(str::to_owned),
            functions: module.defined_functions(),
            proposals: module.proposals_used()?,
            start: module.start_function(),
            memories: memories.iter().map(describe::memory_type).collect(),
            tables: tables.iter().map(describe::table_type).collect(),
            imports: imports(module),
            exports: exports(module),
            custom_sections: custom_sections(module)?,
            grants: grants(&Grants::of(module)),
        })
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        self.write_text(&mut text).expect("strings take all");
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        match self.source_bytes {
            Some(bytes) => writeln!(out, "{}: a module of {}", self.file, format_size(bytes))?,
            None => writeln!(out, "{}: a precompiled module", self.file)?,
        }
        if let Some(name) = &self.name {
            writeln!(out, "name: {name}")?;
        }
        writeln!(out, "functions of its own: {}", self.functions)?;
        match &self.proposals {
            Some(proposals) => writeln!(out, "proposals used: {}", list_or_none(proposals))?,
            None => writeln!(out, "proposals used: not known of a precompiled module")?,
        }
        match self.start {
            Some(index) => writeln!(out, "start function: {index}")?,
            None => writeln!(out, "start function: none")?,
        }
        write_list(out, "memories of its own", &self.memories)?;
        write_list(out, "tables of its own", &self.tables)?;
        let name = |item: &Item| match item.module.is_empty() {
            true => item.name.clone(),
            false => format!("{}.{}", item.module, item.name),
        };
        let lines = |items: &[Item]| -> Vec<String> {
            items.iter().map(|item| format!("{}: {}", name(item), item.ty)).collect()
        };
        write_list(out, "imports", &lines(&self.imports))?;
        write_list(out, "exports", &lines(&self.exports))?;
        let customs: Vec<String> = self
            .custom_sections
            .iter()
            .map(|(name, bytes)| format!("{name}: {}", format_size(*bytes)))
            .collect();
        write_list(out, "custom sections", &customs)?;
        self.write_grants(out)
    }

    fn write_grants(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "grants:")?;
        for grant in &self.grants {
            writeln!(out, "  {}", grant.how)?;
            writeln!(out, "      for {}", grant.functions.join(", "))?;
        }
        let missing: Vec<&Item> = self.imports.iter().filter(|import| import.need.is_none()).collect();
        for import in &missing {
            writeln!(out, "  not provided: {}.{}", import.module, import.name)?;
            writeln!(out, "      {}", needs::why_missing(&import.module))?;
        }
        if self.grants.is_empty() && missing.is_empty() {
            writeln!(out, "  none: it imports nothing")?;
        }
        Ok(())
    }
}

fn imports(module: &Module) -> Vec<Item> {
    let item = |import: waft::ImportType<'_>| Item {
        module: import.module().to_owned(),
        name: import.name().to_owned(),
        ty: describe::extern_type(&import.ty()),
        need: needs::of_import(import.module(), import.name(), &import.ty()),
    };
    module.imports().map(item).collect()
}

fn exports(module: &Module) -> Vec<Item> {
    let item = |export: waft::ExportType<'_>| Item {
        module: String::new(),
        name: export.name().to_owned(),
        ty: describe::extern_type(&export.ty()),
        need: None,
    };
    module.exports().map(item).collect()
}

/// Of all memories, or all tables, those that the module does not import: the imported ones come first.
fn own<T>(module: &Module, is_such: fn(&ExternType) -> bool, all: impl Iterator<Item = T>) -> Vec<T> {
    let imported = module.imports().filter(|import| is_such(&import.ty())).count();
    all.skip(imported).collect()
}

fn custom_sections(module: &Module) -> Result<Vec<(String, u64)>> {
    let sections = module.custom_sections()?;
    Ok(sections.map(|(name, content)| (name.to_owned(), content.len() as u64)).collect())
}

/// What to put on the command line, in the order of how often it is needed.
fn grants(grants: &Grants) -> Vec<Grant> {
    let rows = [
        (
            Need::Always,
            "always",
            "always given: arguments, standard streams, clocks, random numbers, sleep, exit",
        ),
        (Need::Env, "env", "--env NAME[=VALUE]: environment variables, if it should see any"),
        (Need::Read, "dir", "--dir HOST[::GUEST][:ro]: the directories whose files it works on"),
        (Need::Write, "dir-write", "--dir without :ro, where it should change files or directories"),
        (
            Need::Socket,
            "socket",
            "a socket that it inherits: no flag of waft run gives one, an embedder's program does",
        ),
    ];
    let row = |(need, key, how)| Grant {
        key,
        how,
        functions: grants.functions(need).into_iter().map(str::to_owned).collect(),
    };
    rows.into_iter().map(row).filter(|grant| !grant.functions.is_empty()).collect()
}

fn list_or_none(items: &[&str]) -> String {
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

fn write_list(out: &mut String, title: &str, lines: &[String]) -> std::fmt::Result {
    if lines.is_empty() {
        return writeln!(out, "{title}: none");
    }
    writeln!(out, "{title}: {}", lines.len())?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))
}
