//! `simgate new`: a starter case, or the harness of a crate that gates its own simulator.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use simgate::case::Case;
use simgate::files::write_file;

use super::say;

/// Write a starter case, or a test harness into an existing crate
///
/// Example: simgate new h100/my-model/spaced-2s
#[derive(Debug, Args)]
pub struct New {
    /// The case: `a/b` writes cases/a/b.yaml
    #[arg(required_unless_present = "harness")]
    case: Option<String>,
    /// Write tests/gate.rs, the Cargo.toml lines and the nextest profile into the crate here
    #[arg(long)]
    harness: bool,
    /// With --harness: depend on this checkout of simgate instead of a release on crates.io
    #[arg(long, value_name = "DIR", requires = "harness")]
    simgate: Option<PathBuf>,
}

const CASE: &str = include_str!("new/case.yaml");
const HARNESS: &str = include_str!("new/gate.rs");
const NEXTEST: &str = include_str!("new/nextest.toml");

impl New {
    /// Writes what was asked for; nothing that exists is changed but Cargo.toml, which gains lines.
    pub fn run(&self) -> anyhow::Result<u8> {
        if self.harness {
            write_harness(self.simgate.as_deref())?;
        }
        if let Some(name) = &self.case {
            write_case(name)?;
        }
        Ok(0)
    }
}

fn write_case(name: &str) -> anyhow::Result<()> {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")).unwrap_or(name);
    let stem = stem.strip_prefix("cases/").unwrap_or(stem).replace("::", "/");
    let usable = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !stem.split('/').all(usable) {
        bail!(
            "`{name}` is no case name: write folders and a name of letters, digits, `.`, `_` and `-`, such as h100/my-model/spaced-2s"
        );
    }
    let path = PathBuf::from("cases").join(format!("{stem}.yaml"));
    let up = "../".repeat(stem.matches('/').count());
    let text =
        CASE.replace("{up}", if up.is_empty() { "./" } else { &up }).replace("{case}", &stem);
    Case::parse(&path, &text)?;
    create(&path, &text)?;
    let schema = Path::new("cases/case.schema.json");
    if !schema.exists() {
        create(schema, &simgate::case::schema::json_schema())?;
    }
    say!("next: put workload and runs where the case says, then run `simgate check {stem}`");
    Ok(())
}

fn write_harness(simgate: Option<&Path>) -> anyhow::Result<()> {
    let manifest = Path::new("Cargo.toml");
    let text = std::fs::read_to_string(manifest)
        .context("cannot read Cargo.toml: run this in the folder of an existing crate")?;
    let updated = add_to_manifest(&text, simgate).context("cannot change Cargo.toml")?;
    // The file that is ours comes first: where it exists, nothing is touched.
    create(Path::new("tests/gate.rs"), HARNESS)?;
    if updated != text {
        write_file(manifest, updated.as_bytes())?;
        say!("changed Cargo.toml");
    }
    let path = Path::new(".config/nextest.toml");
    if path.exists() {
        say!("{} exists; add to it what you need of:\n{NEXTEST}", path.display());
    } else {
        create(path, NEXTEST)?;
    }
    say!("next: `simgate new my-case`, then `cargo nextest run` or `cargo test --test gate`");
    Ok(())
}

/// Adds the dev-dependency and the test target, where they are missing.
fn add_to_manifest(text: &str, checkout: Option<&Path>) -> anyhow::Result<String> {
    let mut manifest: toml_edit::DocumentMut = text.parse()?;
    if manifest.get("package").is_none() {
        bail!("it has no [package]: simgate needs a crate, not a virtual workspace");
    }
    let root = manifest.as_table_mut();
    let dependencies = root.entry("dev-dependencies").or_insert(toml_edit::table());
    let Some(dependencies) = dependencies.as_table_like_mut() else {
        bail!("[dev-dependencies] is no table")
    };
    if dependencies.get("simgate").is_none() {
        let mut simgate = toml_edit::InlineTable::new();
        match checkout {
            Some(path) => simgate.insert("path", path.display().to_string().into()),
            None => simgate.insert("version", env!("CARGO_PKG_VERSION").into()),
        };
        simgate.insert("default-features", false.into());
        dependencies.insert("simgate", toml_edit::value(simgate));
    }
    let tests = root.entry("test").or_insert(toml_edit::Item::ArrayOfTables(Default::default()));
    let Some(tests) = tests.as_array_of_tables_mut() else {
        bail!("[[test]] is no array of tables")
    };
    let known = |test: &toml_edit::Table| test.get("name").and_then(|n| n.as_str()) == Some("gate");
    if !tests.iter().any(known) {
        let mut test = toml_edit::Table::new();
        test.insert("name", toml_edit::value("gate"));
        test.insert("harness", toml_edit::value(false));
        tests.push(test);
    }
    Ok(manifest.to_string())
}

fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.exists() {
        bail!("{} exists: remove it first, or choose another name", path.display());
    }
    write_file(path, text.as_bytes())?;
    say!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_gains_its_lines_once_and_keeps_its_comments() {
        let text = "[package] # mine\nname = \"a\"\n\n[dev-dependencies]\nproptest = \"1\"\n";
        let once = add_to_manifest(text, None).unwrap();
        assert!(once.contains("[package] # mine"), "{once}");
        assert!(once.contains("simgate = { version ="), "{once}");
        assert!(once.contains("[[test]]\nname = \"gate\"\nharness = false"), "{once}");
        assert_eq!(add_to_manifest(&once, None).unwrap(), once);
    }

    #[test]
    fn a_virtual_workspace_is_refused() {
        let message = add_to_manifest("[workspace]\nmembers = []\n", None).unwrap_err().to_string();
        assert!(message.contains("not a virtual workspace"), "{message}");
    }
}
