//! Finds case files and names them after their paths.

use std::fs;
use std::path::{Path, PathBuf};

use super::GateError;

/// A case file and its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// The file.
    pub path: PathBuf,
    /// Its test: `h100::qwen3-0.6b::spaced-2s`.
    pub name: String,
    /// Its place under `cases/` and `baselines/`, without ending: `h100/qwen3-0.6b/spaced-2s`.
    pub relative: String,
}

/// All cases under `dir`, by name. Only names are read, no file is opened.
///
/// # Errors
/// No case, two of one name, or a name that test runners cannot take.
pub fn discover(dir: &Path) -> Result<Vec<CaseFile>, GateError> {
    let mut files = Vec::new();
    walk(dir, "", &mut Vec::new(), &mut files)?;
    if files.is_empty() {
        return Err(GateError::NoCases { path: dir.to_owned() });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in files.windows(2) {
        if pair[0].name == pair[1].name {
            return Err(GateError::DuplicateName {
                name: pair[0].name.clone(),
                first: pair[0].path.clone(),
                second: pair[1].path.clone(),
            });
        }
    }
    // The baseline of the one would lie inside that of the other.
    for outer in &files {
        let inside = format!("{}/", outer.relative);
        if let Some(inner) = files.iter().find(|file| file.relative.starts_with(&inside)) {
            return Err(GateError::NestedNames {
                outer: outer.path.clone(),
                inner: inner.path.clone(),
            });
        }
    }
    Ok(files)
}

fn walk(
    dir: &Path,
    prefix: &str,
    above: &mut Vec<PathBuf>,
    files: &mut Vec<CaseFile>,
) -> Result<(), GateError> {
    let io = |source| GateError::Io { path: dir.to_owned(), source };
    let real = dir.canonicalize().map_err(io)?;
    if above.contains(&real) {
        return Err(GateError::LinkLoop { path: dir.to_owned() });
    }
    above.push(real);
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let Some(name) = path.file_name().map(|n| n.to_string_lossy().into_owned()) else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), above, files)?;
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let Some(ending) = [".yaml", ".yml"].into_iter().find(|ending| lower.ends_with(ending))
        else {
            continue;
        };
        let stem = &name[..name.len() - ending.len()];
        let relative = format!("{prefix}{stem}");
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        // A snapshot under `profiles/` would be taken for part of a profile.
        let reserved = relative.split('/').any(|part| part == super::PROFILES);
        if stem.is_empty() || reserved || !relative.chars().all(allowed) {
            return Err(GateError::BadName { path });
        }
        files.push(CaseFile { path, name: relative.replace('/', "::"), relative });
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str]) -> Result<Vec<String>, String> {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let names = discover(dir.path()).map_err(|e| e.to_string())?;
        Ok(names.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn names_follow_paths_and_other_files_are_passed_over() {
        let names =
            found(&["b.YML", "h100/qwen3-0.6b/spaced-2s.yaml", "case.schema.json", ".x.yaml"]);
        assert_eq!(names.unwrap(), ["b", "h100::qwen3-0.6b::spaced-2s"]);
    }

    #[test]
    fn faults_of_the_folder_are_named() {
        for (files, expected) in [
            (&["README.md"][..], "a gate without cases cannot fail"),
            (&["a.yaml", "a.yml"], "both give the case `a`: rename one"),
            (&["a.yaml", "a/b.yaml"], "and its baseline would lie inside that of"),
            (&["my case.yaml"], "my case.yaml: case names are made of letters, digits"),
        ] {
            let message = found(files).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
