//! Links that no path of the unit names: found from where its processes live.

use super::*;

/// A shell by another name, at work there.
fn named(world: &mut World, name: &str, directory: &Path, line: &str) -> u32 {
    let program = world.root.path().join(name);
    if !program.exists() {
        copy("/bin/sh", &program).expect("a copy");
    }
    let line = format!("{line}; echo; read -r never");
    world.start(directory, &program, &["-c", &line], "")
}

/// The links that are found, by where they lead.
async fn found(world: &World, main: u32) -> Vec<String> {
    let reading = world.inspect_for(&Search::default(), Some(main), LIMIT).await;
    assert_eq!(reading.incomplete, None);
    assert!(reading.links.iter().all(|link| link.found), "{reading:?}");
    let current = text(&world.app("current")).to_owned();
    assert!(reading.links.iter().all(|link| link.link == current), "{reading:?}");
    reading.links.into_iter().filter_map(|link| link.target).map(|target| target.path).collect()
}

#[tokio::test]
async fn row_28_a_link_is_found_beside_the_programs_of_a_manager() {
    let mut world = World::new();
    let main = named(&mut world, "supervisord", Path::new("/"), ":");
    assert_eq!(found(&world, main).await, Vec::<String>::new());
    // It was switched already: the program lives in a sibling of what the link leads to.
    world.shell(&world.app("releases/2"), ":");
    assert_eq!(found(&world, main).await, [text(&world.app("releases/1"))]);
    // Several that live in the same place are one.
    world.shell(&world.app("releases/2"), ":");
    assert_eq!(found(&world, main).await.len(), 1);
}

#[tokio::test]
async fn row_28_a_link_is_found_beside_what_is_like_the_main_process() {
    let mut world = World::new();
    let main = named(&mut world, "poold", Path::new("/"), ":");
    let release = world.app("releases/2");
    named(&mut world, "poold", &release, ":");
    assert_eq!(found(&world, main).await, [text(&world.app("releases/1"))]);
}

#[tokio::test]
async fn row_28_what_is_no_part_of_the_main_process_tells_no_link() {
    let mut world = World::new();
    // A job of cron, a build of a runner: what they do in a release is theirs.
    let main = named(&mut world, "crond", Path::new("/"), ":");
    world.shell(&world.app("releases/2"), ":");
    assert_eq!(found(&world, main).await, Vec::<String>::new());
    // Two processes of one interpreter run anything.
    let mut world = World::new();
    let main = world.shell(Path::new("/"), ":");
    world.shell(&world.app("releases/2"), ":");
    assert_eq!(found(&world, main).await, Vec::<String>::new());
}

#[tokio::test]
async fn row_28_a_link_is_found_beside_the_only_child_of_a_wrapper() {
    let mut world = World::new();
    let inner = world.app("releases/2");
    let line = format!("exec 3<&0; (cd {}; echo; read -r never <&3; :) & wait", inner.display());
    let main = world.start(Path::new("/"), Path::new("/bin/sh"), &["-c", &line], "");
    let children = format!("/proc/{main}/task/{main}/children");
    let child = std::fs::read_to_string(children).expect("its child").trim().to_owned();
    let procs = world.root.path().join("cgroup/system.slice/a.service/cgroup.procs");
    write(&procs, format!("{main}\n{child}\n")).expect("the list");
    assert_eq!(found(&world, main).await, [text(&world.app("releases/1"))]);
}
