//! Processes in mount namespaces of their own: same text, other directory, and the reverse. Needs root.

use super::*;

/// A process in a new mount namespace, once it has done this; `None` without the right to have one.
fn apart(world: &mut World, line: &str) -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("needs root for a mount namespace");
        return None;
    }
    let line = format!("set -e; {line}; echo; read -r never");
    let args = ["--mount", "sh", "-c", &line];
    Some(world.start(Path::new("/"), Path::new("unshare"), &args, ""))
}

#[tokio::test]
async fn a_bind_mount_of_the_release_is_the_release() {
    let mut world = World::new();
    let alias = world.app("alias");
    create_dir(&alias).expect("a directory");
    let release = world.app("releases/1");
    let line =
        format!("mount --bind {} {}; cd {}/public", release.display(), alias.display(), alias.display());
    if apart(&mut world, &line).is_none() {
        return;
    }
    let cwd = world.only().await.cwd.expect("readable");
    assert_eq!(cwd.path, text(&alias.join("public")));
    assert_eq!(cwd.id, Some(id(&release.join("public"))));
    assert_eq!(cwd.above[0], id(&release));
    assert!(!cwd.gone && !cwd.detached);
}

#[tokio::test]
async fn a_mounted_release_that_was_deleted_outside_is_gone() {
    let mut world = World::new();
    let alias = world.app("alias");
    create_dir(&alias).expect("a directory");
    let release = world.app("releases/2");
    let line = format!("mount --bind {} {}; cd {}", release.display(), alias.display(), alias.display());
    if apart(&mut world, &line).is_none() {
        return;
    }
    let deleted = id(&release);
    remove_dir_all(&release).expect("a deletion");
    let cwd = world.only().await.cwd.expect("readable");
    assert!(cwd.gone, "{cwd:?}");
    assert_eq!(cwd.id, Some(deleted));
}

#[tokio::test]
async fn the_same_text_elsewhere_is_another_directory_and_not_gone() {
    let mut world = World::new();
    let others = world.app("others");
    let named = "1 (deleted)";
    create_dir_all(others.join(named)).expect("a directory");
    let line = format!(
        "mount --bind {} {}; cd '{}'",
        others.display(),
        world.app("releases").display(),
        world.app("releases").join(named).display()
    );
    if apart(&mut world, &line).is_none() {
        return;
    }
    let cwd = world.only().await.cwd.expect("readable");
    assert_eq!(cwd.path, text(&world.app("releases").join(named)));
    assert_eq!(cwd.id, Some(id(&others.join(named))));
    assert!(!cwd.gone);
    assert!(!cwd.above.contains(&id(&world.app("releases"))));
}

#[tokio::test]
async fn what_overlayfs_deletes_is_gone_although_its_link_count_says_no() {
    let mut world = World::new();
    for directory in ["lower/release", "upper", "work", "merged"] {
        create_dir_all(world.app(directory)).expect("a directory");
    }
    let line = format!(
        "cd {}; mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged; \
         cd merged/release; rmdir ../release",
        world.app("").display()
    );
    if apart(&mut world, &line).is_none() {
        return;
    }
    let cwd = world.only().await.cwd.expect("readable");
    assert!(cwd.gone, "{cwd:?}");
    assert_eq!(cwd.path, text(&world.app("merged/release")));
}

#[tokio::test]
async fn row_27_what_was_mounted_and_is_not_any_more_is_known_by_its_way_up() {
    let mut world = World::new();
    let live = world.app("live");
    create_dir(&live).expect("a directory");
    let (first, second) = (world.app("releases/1"), world.app("releases/2"));
    let mount = |release: &Path| format!("mount --bind {} {}", release.display(), live.display());
    let line = format!(
        "{}; cd {}/public; umount -l {}; {}",
        mount(&first),
        live.display(),
        live.display(),
        mount(&second)
    );
    if apart(&mut world, &line).is_none() {
        return;
    }
    let cwd = world.only().await.cwd.expect("readable");
    assert!(cwd.detached && !cwd.gone, "{cwd:?}");
    assert_eq!(cwd.id, Some(id(&first.join("public"))));
    assert_eq!(cwd.above, [id(&first)]);
}
