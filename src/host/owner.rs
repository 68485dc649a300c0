//! Which package a file came with, as dpkg recorded it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files of dpkg that are looked at: one list and a few others per package.
const FILES: usize = 100_000;

/// The Debian package of each of these files that came with one; file → package. Blocks: it reads every list of `dpkg`.
///
/// Other package managers keep this in databases that only their own programs read.
#[must_use]
pub fn owner(root: &Path, files: &[&str]) -> BTreeMap<String, String> {
    let mut owners = BTreeMap::new();
    let wanted: BTreeMap<String, &str> =
        files.iter().flat_map(|file| [((*file).to_owned(), *file), (other_name(file), *file)]).collect();
    let lists = fs::read_dir(root.join("var/lib/dpkg/info")).into_iter().flatten().flatten();
    for list in lists.take(FILES) {
        let name = list.file_name();
        let Some(package) = name.to_str().and_then(|name| name.strip_suffix(".list")) else {
            continue;
        };
        let package = package.split(':').next().unwrap_or(package);
        let text = fs::read_to_string(list.path()).unwrap_or_default();
        for file in text.lines().filter_map(|line| wanted.get(line)) {
            owners.insert((*file).to_owned(), package.to_owned());
        }
    }
    owners
}

/// The other name of a file since `/bin`, `/sbin` and `/lib` moved below `/usr`: packages may list either.
fn other_name(file: &str) -> String {
    let moved =
        |path: &str| ["/bin/", "/sbin/", "/lib/", "/lib64/"].iter().any(|folder| path.starts_with(folder));
    match file.strip_prefix("/usr") {
        Some(inner) if moved(inner) => inner.to_owned(),
        None if moved(file) => format!("/usr{file}"),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_package_that_lists_it() {
        let root = tempfile::tempdir().expect("a folder");
        let info = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).expect("a folder");
        fs::write(
            info.join("nginx-core.list"),
            "/.\n/usr/sbin/nginx\n/usr/lib/systemd/system/nginx.service\n",
        )
        .expect("a file");
        fs::write(info.join("libc6:amd64.list"), "/lib/x86_64-linux-gnu/libc.so.6\n").expect("a file");
        let owners = owner(
            root.path(),
            &[
                "/usr/sbin/nginx",
                "/lib/systemd/system/nginx.service",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "/srv/app",
            ],
        );
        let told: Vec<(&str, &str)> =
            owners.iter().map(|(file, package)| (file.as_str(), package.as_str())).collect();
        assert_eq!(
            told,
            [
                ("/lib/systemd/system/nginx.service", "nginx-core"),
                ("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc6"),
                ("/usr/sbin/nginx", "nginx-core")
            ]
        );
    }
}
