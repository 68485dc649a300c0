//! `fleet`: who has slots of the lock server, and who waits; `fleet release`: gives a slot back for somebody.

use clap::Subcommand;
use serde_json::json;

use super::Options;
use super::exit::Exit;
use super::render::text::{clean, count, length};
use super::terminal::Terminal;
use crate::check::{Fleet, GroupSeen};
use crate::model::fleet::Holder;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Act>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Give back the slots of a host that cannot do it itself; the next host goes on
    Release {
        /// The host, or one unit of it: web2, web2/shop.service
        holder: String,
        /// Only of this group; every group that this host knows by default
        #[arg(long)]
        group: Option<String>,
        /// Why; shown to everybody who looks
        #[arg(long)]
        reason: String,
    },
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(fleet) = Fleet::of(options.user) else {
        anyhow::bail!(
            "cannot look at the fleet: [fleet] of steadfast.toml names no lock server (etcd, fleetlock)"
        );
    };
    match &arguments.command {
        None => look(options, terminal, &fleet).await,
        Some(Act::Release { holder, group, reason }) => {
            let groups = group.iter().chain(fleet.groups.iter().filter(|_| group.is_none()));
            let mut gone = Vec::new();
            for group in groups {
                let released = fleet.release(group, holder, reason).await;
                let released =
                    released.map_err(|why| anyhow::anyhow!("cannot give a slot of {group} back: {why}"))?;
                gone.extend(released.into_iter().map(|holder| (group.clone(), holder)));
            }
            told(options, terminal, holder, &gone)
        }
    }
}

fn told(
    options: &Options,
    terminal: &Terminal,
    holder: &str,
    gone: &[(String, String)],
) -> anyhow::Result<Exit> {
    if options.json {
        let gone: Vec<_> =
            gone.iter().map(|(group, holder)| json!({ "group": group, "holder": holder })).collect();
        terminal.print_json(&gone)?;
    } else {
        let mut text: String = gone
            .iter()
            .map(|(group, holder)| format!("{}: {} has no slot any more\n", clean(group), clean(holder)))
            .collect();
        if gone.is_empty() {
            text = format!("{} has no slot\n", clean(holder));
        }
        terminal.print(&text)?;
    }
    Ok(if gone.is_empty() { Exit::Warning } else { Exit::Ok })
}

async fn look(options: &Options, terminal: &Terminal, fleet: &Fleet) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let mut seen = Vec::new();
    for group in &fleet.groups {
        let group_seen = fleet.look(group).await;
        if group_seen.is_err() {
            exit = Exit::Unknown;
        }
        seen.push((group, group_seen));
    }
    if options.json {
        let groups: Vec<_> = seen.iter().map(|(group, seen)| as_json(group, seen)).collect();
        terminal.print_json(&groups)?;
        return Ok(exit);
    }
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut text = String::new();
    for (group, seen) in &seen {
        text.push_str(&page(group, seen, now_ms));
    }
    if seen.is_empty() {
        text.push_str("no group: set group = \"NAME\" below [fleet] of steadfast.toml or of a unit file\n");
    }
    terminal.print(&text)?;
    Ok(exit)
}

fn as_json(group: &str, seen: &Result<GroupSeen, String>) -> serde_json::Value {
    let all = |holders: &[Holder]| -> Vec<serde_json::Value> {
        let one = |holder: &Holder| json!({ "holder": holder.name, "for": holder.what, "since_ms": holder.since_ms });
        holders.iter().map(one).collect()
    };
    match seen {
        Ok(seen) => json!({ "group": group, "slots": seen.slots, "holders": all(&seen.holders),
            "waiting": all(&seen.waiting), "released": all(&seen.released) }),
        Err(why) => json!({ "group": group, "error": why }),
    }
}

fn page(group: &str, seen: &Result<GroupSeen, String>, now_ms: i64) -> String {
    let group = clean(group);
    let seen = match seen {
        Ok(seen) => seen,
        Err(why) => return format!("{group}: cannot tell: {}\n", clean(why)),
    };
    let mut text = format!("{group}: {} of {} taken\n", seen.holders.len(), count(seen.slots, "slot"));
    let every = || seen.holders.iter().chain(&seen.waiting).chain(&seen.released);
    let wide = every().map(|holder| clean(&holder.name).chars().count()).max().unwrap_or(0);
    let rows = [("has one", &seen.holders), ("waits", &seen.waiting), ("released", &seen.released)];
    for (word, holders) in rows {
        for holder in holders {
            let ago = holder.since_ms.map_or(String::new(), |at| length(now_ms.saturating_sub(at).max(0)));
            let what = holder.what.as_deref().map(clean).unwrap_or_default();
            let name = clean(&holder.name);
            text.push_str(format!("  {name:<wide$}  {word:<8}  {ago:>7}  {what}").trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_table() {
        let holder = |name: &str, what: Option<&str>, since_ms| Holder {
            name: name.to_owned(),
            what: what.map(str::to_owned),
            since_ms,
        };
        let seen = GroupSeen {
            slots: 1,
            holders: vec![holder(
                "web2/shop.service",
                Some("restart because of release-outdated"),
                Some(10_000),
            )],
            waiting: vec![holder("web3/a.service", None, Some(190_000))],
            released: vec![holder("ghost\u{1b}[31m", Some("its disk broke"), None)],
        };
        let text = page("web", &Ok(seen), 200_000);
        assert_eq!(
            text,
            "web: 1 of 1 slot taken\n  web2/shop.service  has one     3m10s  restart because of release-outdated\n  \
             web3/a.service     waits         10s\n  ghost\\u{1b}[31m    released           its disk broke\n",
            "{text}"
        );
    }
}
