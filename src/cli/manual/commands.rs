//! The pages of the commands, made of what clap knows of them.

use std::io;

use clap_mangen::Man;

use super::topics;
use super::{Block, Page, roff};

/// The long help of a command by its words: `baseline diff`.
pub fn command_help(root: clap::Command, words: &[String]) -> Option<String> {
    let mut command = root;
    command.build();
    let mut found = &mut command;
    for word in words {
        found = found.find_subcommand_mut(word).filter(|one| !one.is_hide_set())?;
    }
    Some(found.render_long_help().to_string())
}

/// Name and help of every command, in the order in which they are listed.
pub fn helps(root: &clap::Command) -> Vec<(String, String)> {
    let mut root = root.clone().term_width(100);
    root.build();
    let mut helps = Vec::new();
    add_helps(&mut root, &mut helps);
    helps
}

fn add_helps(command: &mut clap::Command, helps: &mut Vec<(String, String)>) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    helps.push((name, command.render_long_help().to_string()));
    for one in command.get_subcommands_mut().filter(|one| !one.is_hide_set()) {
        add_helps(one, helps);
    }
}

/// Name and text of every page of section 1.
///
/// # Errors
/// Never: it is written to memory.
pub fn man_pages(root: clap::Command) -> io::Result<Vec<(String, String)>> {
    let mut root = root.disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    page(&root, &mut pages)?;
    Ok(pages)
}

fn page(command: &clap::Command, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let is_root = !name.contains('-');
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("Steadfast Manual");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    text.extend_from_slice(b".nh\n.ad l\n");
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut text)?;
    }
    if command.get_subcommands().any(|one| !one.is_hide_set()) {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(&rest(is_root));
    pages.push((name, text));
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        page(one, pages)?;
    }
    Ok(())
}

/// What follows what clap writes: for the program itself everything, for a command where to read on.
fn rest(is_root: bool) -> String {
    let mut blocks = Vec::new();
    if is_root {
        blocks.extend(topics::exit_status().blocks);
        blocks.extend(topics::files().blocks);
        blocks.extend(topics::environment().blocks);
    } else {
        blocks.push(Block::heading("Exit status"));
        blocks.push(Block::text(
            "0 all well or done, 1 warnings or refused, 2 critical or failed, 3 unknown or no daemon, 64 wrong usage, 78 bad \
             configuration. See `steadfast`(1).",
        ));
    }
    blocks.push(Block::heading("See also"));
    blocks.push(Block::text(
        "`steadfast`(1), `steadfast.unit`(5), `steadfast.toml`(5), `steadfast-findings`(7), `systemctl`(1), `journalctl`(1)",
    ));
    let page = Page { name: String::new(), section: 1, title: String::new(), blocks };
    roff::roff(&page).split_once("\\- \n").map_or_else(String::new, |(_, text)| text.to_owned())
}
